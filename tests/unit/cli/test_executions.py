import json
from collections.abc import Callable

import pytest
from click.testing import Result

from cli.catalog import _limits
from tests.unit.cli import scripts
from tests.unit.cli.fake_api import Fake, problem
from tests.unit.cli.scripts import ID

Perdure = Callable[..., Result]


def test_status_shows_where_the_run_is(perdure: Perdure) -> None:
    done = perdure("status", ID)
    assert done.exit_code == 0
    assert done.stdout.startswith(f"call_analysis@1.0.0  {ID}\n● running, 42 % for ")
    assert "$0.00 so far" in done.stdout
    assert "· coach" in done.stdout


def test_status_of_a_failed_run_says_why_and_exits_with_0(perdure: Perdure, fake: Fake) -> None:
    ended = scripts.failing()
    fake.script.snapshot.update(status="failed", error=scripts.FAILURE, steps=ended.result["steps"])
    done = perdure("status", ID)
    assert done.exit_code == 0
    assert "✗ failed" in done.stdout
    assert "openai/whisper-1  429 [rate_limited]" in done.stdout


def test_result_of_a_run_that_has_ended(perdure: Perdure) -> None:
    done = perdure("result", ID)
    assert done.exit_code == 0
    assert "Summary\n • Hello i am very angry my order is late.\n • Could Dr. Smith" in done.stdout


def test_result_of_a_failed_run_exits_with_1(perdure: Perdure, fake: Fake) -> None:
    fake.script = scripts.failing()
    assert perdure("result", ID, "--json").exit_code == 1


def test_result_of_a_run_under_way_says_so_and_exits_with_0(perdure: Perdure, fake: Fake) -> None:
    fake.unfinished = 1
    done = perdure("result", ID)
    assert done.exit_code == 0
    assert done.stdout.startswith(f"{ID} is still running: `perdure result {ID} --wait`")


def test_result_waits_when_told_to(perdure: Perdure, fake: Fake) -> None:
    fake.unfinished = 2
    done = perdure("result", ID, "--wait")
    assert "✓ completed" in done.stdout
    assert len(fake.asked("GET", f"/{ID}/result")) == 3


def test_cancel_asks_and_says_how_to_see_the_end(perdure: Perdure, fake: Fake) -> None:
    done = perdure("cancel", ID)
    assert done.exit_code == 0
    assert f"`perdure watch {ID}`" in done.stdout
    assert len(fake.asked("DELETE", f"/{ID}")) == 1


def test_cancel_of_a_run_that_has_ended_is_exit_2(perdure: Perdure, fake: Fake) -> None:
    fake.answers[f"DELETE /{ID}"] = [problem(409, "already_ended", "the run has ended")]
    done = perdure("cancel", ID)
    assert (done.exit_code, done.stderr) == (2, "error: the run has ended\n")


def test_list_reads_as_many_pages_as_the_limit_takes(perdure: Perdure, fake: Fake) -> None:
    done = perdure("list", "--limit", "3")
    rows = done.stdout.splitlines()
    assert rows[0].split() == ["ID", "PIPELINE", "STATUS", "AGE"]
    assert [row.split()[3] for row in rows[1:4]] == ["running", "completed", "failed"]
    assert [request.query for request in fake.asked("GET", "/executions")] == [
        {"limit": "3"},
        {"limit": "1", "cursor": "2"},
    ]
    assert "there are more" in done.stdout


def test_list_filters(perdure: Perdure, fake: Fake) -> None:
    done = perdure("list", "--status", "failed", "--pipeline", "call_analysis", "--json")
    assert [run["status"] for run in json.loads(done.stdout)["executions"]] == ["failed"]
    [request] = fake.asked("GET", "/executions")
    assert request.query == {"limit": "20", "status": "failed", "pipeline_name": "call_analysis"}


def test_pipelines_list_shows_input_and_cost(perdure: Perdure) -> None:
    done = perdure("pipelines", "list")
    assert "call_analysis@1.0.0  about $0.00 a run" in done.stdout
    assert "input: audio_url, [language]" in done.stdout
    assert "pii_detection@1.0.0  cost unknown" in done.stdout


def test_providers_show_what_is_missing(perdure: Perdure) -> None:
    lines = perdure("providers").stdout.splitlines()
    [deepgram] = [line for line in lines if "deepgram" in line]
    assert deepgram.split()[0] == "\N{EN DASH}"
    assert deepgram.endswith("DEEPGRAM_API_KEY is not set")
    [presidio] = [line for line in lines if "presidio" in line]
    assert "cooling down until 2026-11-24T02:00:00Z" in presidio


def test_a_capability_that_nobody_offers_is_told_the_nearest_one(perdure: Perdure) -> None:
    meant = "transcription_diarization"
    done = perdure("providers", "--capability", "transcription_diarizaton")
    assert done.exit_code == 2
    assert (
        done.stderr == f"error: nobody offers 'transcription_diarizaton': did you mean {meant}?\n"
    )
    assert perdure("providers", "--capability", meant).exit_code == 0


def test_providers_show_limits_and_weaknesses_below_the_offer(perdure: Perdure) -> None:
    lines = perdure("providers").stdout.splitlines()
    [place] = [number for number, line in enumerate(lines) if "pocketsphinx" in line]
    below = "    Up to 1 GiB, 4 h. Languages: en. Needs clean, slow English speech."
    assert lines[place + 1] == below


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (None, []),
        ({"max_file_bytes": None, "languages": None}, []),
        ({"max_file_bytes": 25 * 2**20, "max_duration_seconds": 1500.0}, ["Up to 25 MiB, 25 min."]),
        ({"max_file_bytes": 25_000_000, "max_duration_seconds": 90.5}, ["Up to 25 MB, 90.5 s."]),
        (
            {"max_file_bytes": 1500, "max_input_tokens": 1_050_000},
            ["Up to 1,500 bytes, 1,050,000 tokens."],
        ),
        ({"languages": list("abcd")}, ["Languages: a, b, c, d."]),
        ({"languages": list("abcdef")}, ["Languages: a, b, c, d, 2 more."]),
    ],
)
def test_limits_are_sentences(limits: object, told: list[str]) -> None:
    assert _limits(limits) == told


@pytest.mark.parametrize(
    ("args", "body"),
    [
        (["pipelines", "list"], scripts.PIPELINE_LIST),
        (["providers"], scripts.PROVIDER_LIST),
        (["status", ID], scripts.call_analysis().snapshot),
        (["result", ID], scripts.call_analysis().result),
        (["cancel", ID], {"execution_id": ID, "status": "running"}),
    ],
)
def test_json_is_the_apis_own_body(perdure: Perdure, args: list[str], body: object) -> None:
    assert json.loads(perdure(*args, "--json").stdout) == body


@pytest.mark.parametrize("command", ["watch", "status", "result", "cancel"])
@pytest.mark.parametrize("identifier", ["executions", "exec-short", "../budget", ID + "0"])
def test_what_is_no_id_is_not_sent(
    perdure: Perdure, fake: Fake, command: str, identifier: str
) -> None:
    done = perdure(command, identifier)
    assert done.exit_code == 2
    assert "is no execution id" in done.stderr
    assert fake.requests == []
