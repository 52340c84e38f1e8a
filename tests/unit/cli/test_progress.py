from decimal import Decimal
from typing import Any

from cli.progress import Run, Step
from tests.unit.cli import scripts
from tests.unit.cli.scripts import Recorder


def folded(*writes: tuple[str, dict[str, Any]]) -> Step:
    to = Recorder()
    for kind, values in writes:
        to.write(kind, "s", **values)
    run = Run("exec", steps={"s": Step("s")})
    for event in to.events:
        run.apply(event)
    return run.steps["s"]


def test_steps_are_pending_before_the_first_event_whatever_the_snapshot_says() -> None:
    run = Run.unplayed(scripts.call_analysis().result | scripts.snapshot(scripts.CALL_STEPS))
    assert {step.status for step in run.steps.values()} == {"pending"}


def test_the_fold_of_all_events_is_the_end() -> None:
    script = scripts.call_analysis()
    run = Run.unplayed(script.snapshot)
    for event in script.events:
        run.apply(event)
    assert (run.status, run.percent, run.spent) == ("completed", 100, Decimal(0))
    assert [step.status for step in run.steps.values()] == ["completed"] * 4 + ["skipped"]
    assert run.steps["transcribe"].note == "instead of deepgram/nova-3: 429 too many requests"
    assert run.steps["transcribe"].who == "embedded/pocketsphinx"


def test_progress_never_falls() -> None:
    run = Run("exec")
    for percent in (10, None, 5):
        run.apply({"event_type": "progress_update", "progress_percent": percent})
    assert run.percent == 10


def test_cost_of_the_calls_counts_until_the_step_reports_its_own() -> None:
    incurred = ("cost_incurred", {"cost_usd": "0.1"})
    assert folded(("step_started", {}), incurred, incurred).spent == Decimal("0.2")
    ended = ("step_completed", {"cost_usd": "0.2"})
    assert folded(("step_started", {}), incurred, incurred, ended).spent == Decimal("0.2")


def test_a_hint_starts_a_step_and_names_its_activity_until_it_ends() -> None:
    hint = ("progress_update", {"durable": False, "message": "half"})
    assert (folded(hint).status, folded(hint).activity) == ("running", "half")
    assert folded(hint, ("step_completed", {})).activity is None


def test_a_late_hint_does_not_reopen_a_step() -> None:
    late = ("progress_update", {"durable": False, "message": "half"})
    step = folded(("step_started", {}), ("step_completed", {}), late)
    assert (step.status, step.activity) == ("completed", None)


def test_retries_are_noted_with_their_number_and_reason() -> None:
    error = {"code": "rate_limited", "message": "slow down"}
    step = folded(
        ("step_started", {}), ("step_retrying", {"data": {"attempts": 3}, "error": error})
    )
    assert step.note == "3 attempts: slow down"


def test_compensation_is_shown_on_its_step() -> None:
    done = folded(("step_completed", {}), ("compensation_completed", {}))
    assert done.status == "compensated"
    failed = folded(("step_completed", {}), ("compensation_failed", {"message": "gone"}))
    assert failed.note == "could not be undone: gone"


def test_a_cancelled_run_leaves_no_step_running() -> None:
    run = Run("exec")
    run.apply({"event_type": "step_started", "step_name": "s"})
    run.apply({"event_type": "workflow_cancelled"})
    assert run.steps["s"].status == "cancelled"
