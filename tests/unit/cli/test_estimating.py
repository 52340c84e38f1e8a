"""`perdure pipelines estimate`: what is asked, and how the answer reads."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from fastapi.responses import JSONResponse

from cli.estimating import estimate_lines
from cli.figures import ABSENT
from tests.unit.cli import rendered, scripts
from tests.unit.cli.fake_api import Fake, problem

UNKNOWN = {"best_case_usd": None, "estimated_cost_usd": None, "worst_case_usd": None}
LENGTH = "The recording is fetched in the run only, so its length is not known before."


def candidate(name: str, price: dict[str, Any], **fields: Any) -> dict[str, Any]:
    provider, _, model = name.partition("/")
    common = {"provider": provider, "model": model, "available": True, "reason": None}
    basis: dict[str, Any] = {"token_prices": [], "diarization_usd": None, "source": "a test"}
    amount = {key: price[key] for key in ("cost_unit", "price")}
    basis |= {key: price[key] for key in price.keys() - amount.keys()}
    return {**common, **amount, "price_basis": basis, **UNKNOWN, **fields}


def costing(best: str, expected: str, worst: str | None) -> dict[str, Any]:
    return {"best_case_usd": best, "estimated_cost_usd": expected, "worst_case_usd": worst}


def step(name: str, capability: str, *chain: dict[str, Any], **fields: Any) -> dict[str, Any]:
    common = {"calls": 1, "reason": None}
    return {"name": name, "capability": capability, "chain": chain, **common, **UNKNOWN, **fields}


TOKENS = {
    "cost_unit": "token",
    "price": "0.0000001",
    "token_prices": [
        {"above_input_tokens": -1, "input": "0.1", "output": "0.5"},
        {"above_input_tokens": 100_000, "input": "0.5", "output": "2.5"},
    ],
}
BODY = {
    "pipeline_name": "replies",
    "pipeline_version": "2.0.0",
    **costing("0", "0.000302", None),
    "known_cost_usd": "0.000302",
    "reason": "transcribe: …",
    "steps": [
        step(
            "transcribe",
            "transcription_diarization",
            candidate(
                "deepgram/nova-3",
                {"cost_unit": "minute", "price": "0.0043", "diarization_usd": "0.002"},
                reason=LENGTH,
            ),
            candidate("openai/m", {"cost_unit": "minute", "price": "0.006"}, reason=LENGTH),
            candidate("local/m", {"cost_unit": "free", "price": "0"}, **costing("0", "0", "0")),
            candidate(
                "shut/m",
                {"cost_unit": "minute", "price": "1"},
                available=False,
                reason="Set SHUT_KEY to enable it.",
            ),
            best_case_usd="0",
            reason=LENGTH,
        ),
        step(
            "reply",
            "llm_generation",
            candidate(
                "anthropic/claude-haiku-5-5", TOKENS, **costing("0.000002", "0.000302", "0.000311")
            ),
            calls=2,
            **costing("0.000002", "0.000302", "0.000311"),
        ),
        step(
            "hide",
            "pii_redaction",
            candidate(
                "accent/pii",
                {"cost_unit": "character", "price": "0.000001"},
                **costing("0.01", "0.01", "0.01"),
            ),
            **costing("0", "0", "0"),
            reason="It is skipped: its 'when' is false for this input.",
        ),
    ],
}
TABLE = """\
replies@2.0.0                                         best   expected      worst

transcribe  transcription_diarization                $0.00          ~          ~
  1 deepgram/nova-3                                      ~          ~          ~
    $0.0043/minute + $0.002 for speakers
    The recording is fetched in the run only, so its length is not known before.
  2 openai/m  $0.006/minute                              ~          ~          ~
  3 local/m                                          $0.00      $0.00      $0.00
  ~ shut/m  Set SHUT_KEY to enable it.

reply  llm_generation  2 items                   $0.000002  $0.000302  $0.000311
  1 anthropic/claude-haiku-5-5                   $0.000002  $0.000302  $0.000311
    $0.10 in, $0.50 out/1M tokens, more above 100,000

hide  pii_redaction                                  $0.00      $0.00      $0.00
    It is skipped: its 'when' is false for this input.
  1 accent/pii  $1.00/1M characters                  $0.01      $0.01      $0.01

total                                                $0.00  $0.000302          ~""".replace(
    "~", ABSENT
)


@pytest.fixture
def estimating(fake: Fake) -> Fake:
    fake.answers["POST /estimate"] = [JSONResponse(BODY)]
    return fake


def text_of(body: dict[str, Any], width: int) -> str:
    return rendered.text_of(estimate_lines(body, width), width)


def test_a_table_shows_each_candidate_with_its_price_and_three_figures() -> None:
    assert text_of(BODY, 80) == TABLE


def test_no_line_is_longer_than_the_terminal() -> None:
    for width in (40, 60, 80, 120):
        assert max(map(len, text_of(BODY, width).splitlines())) <= width


def test_of_an_unknown_total_the_known_part_is_told() -> None:
    body = {**BODY, **UNKNOWN, "known_cost_usd": "0.01"}
    assert text_of(body, 80).endswith("\n    $0.01 of the expected cost is known")


def test_items_of_an_unknown_number_are_said_to_be() -> None:
    body = {**BODY, "steps": [step("one", "summarization", calls=None)]}
    assert "one  summarization  items unknown" in text_of(body, 80)


def test_what_came_through_the_api_is_harmless() -> None:
    body = {**BODY, "steps": [step("\x1b[2Jone", "x", reason="\x1b]0;evil\x07")]}
    assert "\x1b" not in text_of(body, 80)


def test_a_name_and_version_are_asked_for_with_the_input(
    perdure: Callable[..., Result], estimating: Fake
) -> None:
    done = perdure("pipelines", "estimate", "replies@2.0.0", "--set", "count=2", "--set", "text=hi")
    assert done.exit_code == 0, done.output
    (request,) = estimating.asked("POST", "/estimate")
    assert request.json == {
        "pipeline_name": "replies",
        "pipeline_version": "2.0.0",
        "input_data": {"count": 2, "text": "hi"},
    }
    assert done.stdout.splitlines()[0].split() == ["replies@2.0.0", "best", "expected", "worst"]


def test_a_file_is_sent_as_definition(
    perdure: Callable[..., Result], estimating: Fake, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nsteps: [{name: one, capability: summarization}]\n")
    done = perdure("pipelines", "estimate", str(file), "--set", "text=hi")
    assert done.exit_code == 0, done.output
    assert estimating.asked("POST", "/estimate")[0].json == {
        "definition": {
            "name": "mine",
            "version": "1.0.0",
            "steps": [{"name": "one", "capability": "summarization"}],
        },
        "input_data": {"text": "hi"},
    }


def test_a_recording_is_uploaded_first(
    perdure: Callable[..., Result], estimating: Fake, tmp_path: Path
) -> None:
    file = tmp_path / "call.wav"
    file.write_bytes(b"RIFF")
    perdure("pipelines", "estimate", "transcription", "--file", f"audio_url={file}")
    request = estimating.asked("POST", "/estimate")[0].json
    assert request["input_data"] == {"audio_url": scripts.ARTIFACT["artifact_url"]}


def test_json_is_the_answer_as_it_is(perdure: Callable[..., Result], estimating: Fake) -> None:
    done = perdure("pipelines", "estimate", "replies", "--json")
    assert json.loads(done.stdout) == json.loads(json.dumps(BODY))
    assert ABSENT not in done.stdout
    assert estimating.asked("POST", "/estimate")


def test_a_wrong_file_is_refused_before_anything_is_asked(
    perdure: Callable[..., Result], estimating: Fake, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nsteps: [{name: one, capability: sumarization}]\n")
    done = perdure("pipelines", "estimate", str(file))
    assert (done.exit_code, done.stderr.split(": ")[0]) == (2, f"{file}:2:33")
    assert perdure("pipelines", "estimate", str(tmp_path / "no.yaml")).exit_code == 2
    assert not estimating.requests


def test_mistakes_that_only_the_api_sees_are_placed_in_the_file(
    perdure: Callable[..., Result], estimating: Fake, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nsteps: [{name: one, capability: summarization}]\n")
    pointers = ["/definition/steps/0/capability", "/definition/timeout"]
    errors = [{"pointer": pointer, "message": "Odd."} for pointer in pointers]
    estimating.answers["POST /estimate"] = [problem(422, "invalid", "Odd. Odd.", errors=errors)]
    done = perdure("pipelines", "estimate", str(file))
    assert (done.exit_code, done.stderr) == (2, f"{file}:2:33: Odd.\n{file}:1:1: Odd.\n")
