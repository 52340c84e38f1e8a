"""`perdure providers test`, and that `perdure providers` still lists."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from tests.fake_vendor import FakeVendor
from tests.unit.cli.surroundings import (
    answer_ready,
    run_perdure,
    server_at,
    surroundings,
    vendor_in_a_thread,
)

KEY = "gateway-key-0123456789"


@pytest.fixture(autouse=True)
def _nothing_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with surroundings(tmp_path, monkeypatch):
        yield


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVendor]:
    """A server without a key; it answers `ready`."""
    with vendor_in_a_thread() as vendor:
        monkeypatch.setenv("AI_COMPATIBLE_PROVIDERS", server_at(vendor))
        answer_ready(vendor)
        yield vendor


def test_a_call_says_what_was_answered_what_was_used_and_what_it_cost_to_the_last_digit(
    vendor: FakeVendor,
) -> None:
    done = run_perdure("providers", "test", "vllm")
    line, below = done.stdout.splitlines()
    assert done.exit_code == 0
    assert line.split()[:3] == ["✓", "llm_generation", "qwen3"]
    assert line.endswith("  $0.0001255")  # 1000 x 0.10 + 51 x 0.50, USD per million
    assert below == "    1000 + 51 tokens · ready"
    assert len(vendor.asked) == 1


def test_it_is_small(vendor: FakeVendor) -> None:
    run_perdure("providers", "test", "vllm")
    body = vendor.asked[0].body
    assert body["max_tokens"] <= 16
    assert len(json.dumps(body)) < 300


def test_a_cost_that_nobody_knows_is_not_zero(vendor: FakeVendor) -> None:
    answer_ready(vendor, usage=None)
    done = run_perdure("providers", "test", "vllm")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0].endswith("  cost unknown")


@pytest.mark.usefixtures("vendor")
def test_json_has_the_same() -> None:
    done = run_perdure("providers", "test", "vllm", "--json")
    answer = json.loads(done.stdout)
    call = answer["calls"][0]
    seconds = call.pop("seconds")
    assert seconds > 0
    assert (answer["ok"], call) == (
        True,
        {
            "provider": "vllm",
            "capability": "llm_generation",
            "model": "qwen3",
            "works": True,
            "answer": "ready",
            "usage": {"input_tokens": 1000, "output_tokens": 51},
            "cost_usd": "0.0001255",
            "problem": None,
            "mend": None,
        },
    )


def test_an_error_says_what_to_do_and_hides_the_key(
    vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_COMPATIBLE_PROVIDERS", server_at(vendor, api_key_env="VLLM_KEY"))
    monkeypatch.setenv("VLLM_KEY", KEY)
    vendor.answer(401, {"error": {"message": f"{KEY} is wrong", "type": None, "code": None}})
    done = run_perdure("providers", "test", "vllm")
    line, problem, mend = done.stdout.splitlines()
    assert done.exit_code == 1
    assert line.split()[0] == "✗"
    assert line.endswith("  $0")
    assert problem == "    vllm answered 401: [key] is wrong [provider_unavailable]"
    assert mend == "    Check the key, and that it may use this model."


def test_without_its_key_nobody_is_asked(
    vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_COMPATIBLE_PROVIDERS", server_at(vendor, api_key_env="VLLM_KEY"))
    monkeypatch.delenv("VLLM_KEY", raising=False)
    done = run_perdure("providers", "test", "vllm")
    assert (done.exit_code, vendor.asked) == (1, [])
    assert done.stdout.splitlines()[1] == "    Set VLLM_KEY to enable it."


def test_what_is_missing_for_all_is_said_once() -> None:
    done = run_perdure("providers", "test", "anthropic")
    assert done.exit_code == 1
    assert done.stdout.count("Set ANTHROPIC_API_KEY") == 1
    assert done.stdout.splitlines()[-1] == "total $0"


def test_the_embedded_provider_hears_a_second_of_sound() -> None:
    done = run_perdure("providers", "test", "local", "--capability", "transcription")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[1] == "    1 s of sound · no speech"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["opnai"], "did you mean openai?"),
        (["nobody"], "there are accent, anthropic, deepgram, local, openai"),
        (["local", "--capability", "speech"], "local does not offer 'speech': it offers tr"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_those_that_are(
    arguments: list[str], words: str
) -> None:
    done = run_perdure("providers", "test", *arguments)
    assert done.exit_code == 2
    assert words in done.stderr


def test_a_wrong_setting_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "api.openai.com")
    done = run_perdure("providers", "test", "openai")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("error: OPENAI_BASE_URL: must begin with")


@pytest.mark.parametrize("options", [[], ["--json"], ["--capability", "llm_generation"]])
def test_without_a_command_the_providers_of_the_api_are_listed(
    options: list[str], perdure: Callable[..., Result]
) -> None:
    done = perdure("providers", *options)
    assert done.exit_code == 0
    assert "gpt-x" in done.stdout
    assert ("pocketsphinx" in done.stdout) == ("--capability" not in options)
