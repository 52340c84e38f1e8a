"""The main job on real audio, through the processes and the API that users use."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.calls import Call, word_error_rate
from tests.product import Product, wait_until

MAX_WORD_ERROR_RATE = 0.15

# What is planted in the calls, as it would look in digits and as it is spoken.
SAMPLE_SECRETS = ("four one five", "five two six seven one", "four two nine six", "4155", "4296")
OTHER_SECRETS = ("six three nine eight", "eight four seven five", "seven three eight one", "7381")


def durable(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out hints, and how far hints had raised the progress of one listener."""
    return [
        {key: value for key, value in event.items() if key != "progress_percent"}
        for event in events
        if event["event_id"] is not None
    ]


def everything_shown(product: Product, execution_id: str, events: list[dict[str, Any]]) -> str:
    """Return all that the product lets anybody see of a run, as text."""
    shown = [product.status(execution_id), product.result(execution_id), events]
    page = product.http.get(f"/{execution_id}/events", headers={"Accept": "application/json"})
    problem = product.http.delete(f"/{execution_id}")
    assert problem.status_code == 409
    return json.dumps(shown) + page.text + problem.text


def assert_is_analysis_of(call: Call, result: dict[str, Any]) -> None:
    assert result["success"]
    assert result["total_cost_usd"] == "0"
    output = result["output"]
    assert set(output) == {"transcript", "redacted", "sentiment", "summary", "coaching"}
    said = _without_numbers(call.script())
    heard = _without_numbers(" ".join(segment["text"] for segment in output["transcript"]))
    assert word_error_rate(said, heard) < MAX_WORD_ERROR_RATE
    starts = [segment["start"] for segment in output["transcript"]]
    assert starts == sorted(starts)
    assert len({segment["speaker"] for segment in output["transcript"]}) == 2
    kinds = {entity["type"] for entity in output["redacted"]["entities"]}
    assert "PHONE_NUMBER" in kinds
    assert len(kinds) >= 2
    assert "value" not in json.dumps(output["redacted"]["entities"])
    assert output["sentiment"]["label"] in {"positive", "neutral", "negative", "mixed"}
    assert output["coaching"] is None
    coach = next(step for step in result["steps"] if step["name"] == "coach")
    assert coach["status"] == "skipped"
    assert "OPENAI_API_KEY" in coach["error"]["message"]


def _without_numbers(text: str) -> str:
    """Drop what redaction takes away on one side and leaves on the other."""
    digits = ["zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    words = [word for word in text.lower().split() if word not in digits]
    return " ".join(word for word in words if not word.startswith("["))


def test_the_sample_call_is_analysed(product: Product, sample: Call) -> None:
    execution_id = product.execute(product.upload(sample.path))
    events = product.follow(execution_id)

    assert_is_analysis_of(sample, product.result(execution_id))
    shown = everything_shown(product, execution_id, events).lower()
    assert [secret for secret in SAMPLE_SECRETS if secret in shown] == []

    percents = [event["progress_percent"] for event in events]
    assert len(set(percents)) >= 25
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert events[-1]["event_type"] == "workflow_completed"

    late = product.follow(execution_id)
    assert durable(late) == durable(events)
    product.kill("api")
    assert durable(product.follow(execution_id)) == durable(events)
    middle = durable(events)[5]["event_id"]
    assert durable(product.follow(execution_id, after=middle)) == durable(events)[6:]


def test_another_call_is_analysed_as_well(product: Product, other_call: Call) -> None:
    execution_id = product.execute(product.upload(other_call.path))
    events = product.follow(execution_id)
    assert_is_analysis_of(other_call, product.result(execution_id))
    shown = everything_shown(product, execution_id, events).lower()
    assert [secret for secret in OTHER_SECRETS if secret in shown] == []


def test_a_killed_worker_is_replaced_and_the_run_completes(product: Product, sample: Call) -> None:
    execution_id = product.execute(product.upload(sample.path))
    wait_until(lambda: product.status(execution_id)["progress_percent"] > 5, "transcription")
    product.kill("worker")
    result = product.result(execution_id)
    assert_is_analysis_of(sample, result)
    assert result["steps"][0]["attempts"] == 2


def by_api(product: Product, execution_id: str) -> None:
    assert product.http.delete(f"/{execution_id}").status_code == 202


def by_temporal(product: Product, execution_id: str) -> None:
    product.temporal("workflow", "cancel", "--workflow-id", execution_id)


def by_signal(product: Product, execution_id: str) -> None:
    product.temporal(
        "workflow", "signal", "--workflow-id", execution_id, "--name", "cancel", "--input", '"late"'
    )


@pytest.mark.parametrize("ask", [by_api, by_temporal, by_signal])
def test_a_running_call_is_cancelled_within_two_seconds(
    product: Product, sample: Call, ask: Any
) -> None:
    execution_id = product.execute(product.upload(sample.path))
    wait_until(lambda: product.status(execution_id)["progress_percent"] > 5, "transcription")
    assert any("speech" in command for command in product.processes())
    before = time.monotonic()
    ask(product, execution_id)
    wait_until(lambda: product.status(execution_id)["status"] == "cancelled", "the cancellation")
    assert time.monotonic() - before < 2 + 0.5  # the command that asks takes its time too
    described = product.temporal(
        "workflow", "describe", "--workflow-id", execution_id, "--output", "json"
    )
    state = json.loads(described)["workflowExecutionInfo"]["status"]
    assert state == "WORKFLOW_EXECUTION_STATUS_CANCELED"
    assert [command for command in product.processes() if "adapters.local" in command] == []
    assert _downloads(product.data) == []
    assert product.follow(execution_id)[-1]["event_type"] == "workflow_cancelled"


def _downloads(data: Path) -> list[Path]:
    temporary = [data / "downloads", data / "artifacts" / "incoming"]
    return [path for folder in temporary for path in folder.rglob("*") if path.is_file()]
