import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.unit.cli import scripts
from tests.unit.cli.fake_api import Fake, problem
from tests.unit.cli.scripts import ID

Perdure = Callable[..., Result]


def test_a_run_prints_its_events_on_stderr_and_its_result_on_stdout(perdure: Perdure) -> None:
    done = perdure("run", "call_analysis")
    assert done.exit_code == 0
    assert f"completed in 4.2 s · $0.00 · {ID}" in done.stdout
    assert "[PHONE_NUMBER]" in done.stdout
    assert "01:29:03Z  workflow_started" in done.stderr
    assert "\x1b" not in done.output


def test_json_is_the_result_and_nothing_else(perdure: Perdure) -> None:
    done = perdure("run", "call_analysis", "--json")
    assert json.loads(done.stdout) == scripts.call_analysis().result
    assert done.stderr == ""


def test_a_failed_run_exits_with_1_and_names_every_candidate(perdure: Perdure, fake: Fake) -> None:
    fake.script = scripts.failing()
    done = perdure("run", "call_analysis")
    assert done.exit_code == 1
    assert (
        "step transcribe: every provider of transcription_diarization failed [all_providers_failed]"
    ) in done.stdout
    assert "  deepgram/nova-3  401 bad key [unauthorized]" in done.stdout
    assert "unknown (at least $0.0021)" in done.stdout


def test_a_failed_run_as_json_is_still_json(perdure: Perdure, fake: Fake) -> None:
    fake.script = scripts.failing()
    done = perdure("run", "call_analysis", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"]["code"] == "all_providers_failed"


def test_inputs_come_from_a_file_then_from_set(
    perdure: Perdure, fake: Fake, tmp_path: Path
) -> None:
    file = tmp_path / "in.json"
    file.write_text('{"a": 1, "b": "old", "c": null}')
    sets = ["b=new", "n=2", "flag=true", 'obj={"x": [1]}', "eq=a=b", "n=3", "nan=NaN", "e="]
    args = [part for pair in sets for part in ("--set", pair)]
    perdure("run", "p@1.2.0", "--input", str(file), *args, "--detach")
    [request] = fake.asked("POST", "/execute")
    assert request.json == {
        "pipeline_name": "p",
        "pipeline_version": "1.2.0",
        "input_data": {
            "a": 1,
            "b": "new",
            "c": None,
            "n": 3,
            "flag": True,
            "obj": {"x": [1]},
            "eq": "a=b",
            "nan": "NaN",
            "e": "",
        },
    }


def test_input_can_be_standard_input(perdure: Perdure, fake: Fake) -> None:
    perdure("run", "p", "--input", "-", "--detach", stdin='{"text": "hi"}')
    [request] = fake.asked("POST", "/execute")
    assert request.json["input_data"] == {"text": "hi"}


def test_a_file_is_uploaded_and_its_address_becomes_the_input(
    perdure: Perdure, fake: Fake, tmp_path: Path
) -> None:
    call = tmp_path / "call.wav"
    call.write_bytes(b"RIFF\x00\xff")
    perdure("run", "p", "--set", "audio_url=x", "--file", f"audio_url={call}", "--detach")
    [upload] = fake.asked("POST", "/artifacts")
    assert upload.body == b"RIFF\x00\xff"
    assert upload.headers["content-type"] == "audio/wav"
    assert upload.headers["content-length"] == "6"
    [request] = fake.asked("POST", "/execute")
    assert request.json["input_data"] == {"audio_url": "artifact://art-1"}


def test_a_large_file_is_never_whole_in_memory(
    perdure: Perdure, fake: Fake, tmp_path: Path
) -> None:
    size = 32 * 1024 * 1024
    call = tmp_path / "call.flac"
    with call.open("wb") as file:
        file.truncate(size)
    tracemalloc.start()
    try:
        perdure("run", "p", "--file", f"audio_url={call}", "--detach")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert fake.asked("POST", "/artifacts")[0].size == size
    assert peak < size / 2


def test_detach_prints_the_id(perdure: Perdure, fake: Fake) -> None:
    done = perdure("run", "call_analysis", "--detach")
    assert (done.exit_code, done.stdout) == (0, f"{ID}\n")
    assert fake.resumed_after == []


def test_detach_as_json_prints_the_answer(perdure: Perdure) -> None:
    done = perdure("run", "call_analysis", "--detach", "--json")
    assert json.loads(done.stdout) == scripts.call_analysis().accepted


def test_a_start_is_repeated_with_the_same_idempotency_key(perdure: Perdure, fake: Fake) -> None:
    fake.answers["POST /execute"] = [problem(503, "unavailable", "Temporal is away")] * 2
    assert perdure("run", "call_analysis").exit_code == 0
    keys = {request.headers["idempotency-key"] for request in fake.asked("POST", "/execute")}
    assert len(fake.asked("POST", "/execute")) == 3
    assert len(keys) == 1


def test_two_runs_have_two_idempotency_keys(perdure: Perdure, fake: Fake) -> None:
    perdure("run", "call_analysis", "--detach")
    perdure("run", "call_analysis", "--detach")
    first, second = fake.asked("POST", "/execute")
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]


def test_an_api_that_stays_away_is_exit_3(perdure: Perdure, fake: Fake) -> None:
    fake.answers["POST /execute"] = [problem(503, "unavailable", "Temporal is away")] * 9
    done = perdure("run", "call_analysis")
    assert (done.exit_code, done.stderr) == (3, "error: Temporal is away\n")


def test_nobody_at_the_url_is_exit_3_with_the_mend(perdure: Perdure, unused_url: str) -> None:
    del perdure
    from click.testing import CliRunner  # noqa: PLC0415 - without the fixture's own API

    from cli.main import main  # noqa: PLC0415

    done = CliRunner().invoke(main, ["list", "--api-url", unused_url])
    assert done.exit_code == 3
    assert done.stderr == (
        f"error: no Perdure API at {unused_url} (connection refused): start it with `perdure dev`, "
        "or point --api-url / PERDURE_API_URL at it\n"
    )


def test_a_problem_shows_its_detail_and_every_mistake(perdure: Perdure, fake: Fake) -> None:
    errors = [
        {"pointer": "/input_data/audio_url", "message": "is required"},
        {"message": "\x1b[2J"},
    ]
    answer = problem(422, "invalid", "the input does not fit", errors=errors)
    fake.answers["POST /execute"] = [answer]
    done = perdure("run", "call_analysis")
    assert done.exit_code == 2
    assert done.stderr == (
        "error: the input does not fit\n  /input_data/audio_url: is required\n  /: ␛[2J\n"
    )


def test_a_detail_that_repeats_the_mistakes_is_left_out(perdure: Perdure, fake: Fake) -> None:
    errors = [{"pointer": "/a", "message": "One."}, {"pointer": "/b", "message": "Two."}]
    fake.answers["POST /execute"] = [problem(422, "invalid", "One. Two.", errors=errors)]
    stderr = perdure("run", "call_analysis").stderr
    assert stderr == "error: the request is not valid\n  /a: One.\n  /b: Two.\n"


def test_a_refused_budget_shows_the_figures(perdure: Perdure, fake: Fake) -> None:
    fake.answers["POST /execute"] = [
        problem(
            402,
            "budget_exceeded",
            "the run does not fit",
            limit_usd="1.00",
            spent_usd="0.9",
            reserved_usd="0",
            estimated_cost_usd="0.25",
            resets_at="2026-12-01T00:00:00Z",
        )
    ]
    done = perdure("run", "call_analysis")
    assert done.exit_code == 2
    assert "limit $1.00, spent $0.90, reserved $0.00, this run $0.25; resets at" in done.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--set", "novalue"], "is not of the form key=value"),
        (["--file", "a=/no/such/file"], "does not exist"),
        (["--input", "/no/such/file"], "No such file"),
        (["--api-url", "ftp://x"], "is no address"),
        (["--api-key", "with\nnewline"], "printable ASCII"),
    ],
)
def test_what_cannot_be_meant_is_exit_2(perdure: Perdure, args: list[str], message: str) -> None:
    done = perdure("run", "p", *args)
    assert done.exit_code == 2
    assert message in done.stderr


@pytest.mark.parametrize("content", ["[1]", "{", "\xff", '"text"'])
def test_an_input_that_is_no_object_is_exit_2(
    perdure: Perdure, fake: Fake, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "in.json"
    file.write_text(content, encoding="latin-1")
    done = perdure("run", "p", "--input", str(file))
    assert done.exit_code == 2
    assert done.stderr.startswith("error: --input: ")
    assert fake.requests == []


def test_a_result_that_is_late_is_waited_for(perdure: Perdure, fake: Fake) -> None:
    fake.unfinished = 1
    assert perdure("run", "call_analysis").exit_code == 0
    first, second = fake.asked("GET", f"/{ID}/result")
    assert first.query == second.query == {"wait": "60"}
