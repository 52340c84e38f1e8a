from typing import Any

import pytest

from pipelines.model import StepDefinition
from pipelines.requests import build_request, names_used
from providers.types import Capability

SEGMENTS = [{"start": 0, "end": 1, "text": "hi"}]


def step(capability: Capability, **fields: Any) -> StepDefinition:
    return StepDefinition(name="a_step", capability=capability, **fields)


def test_without_input_the_fields_come_by_their_names() -> None:
    context = {"text": "hello", "segments": SEGMENTS, "colour": "red"}
    request = build_request(step(Capability.PII_REDACTION), context)
    assert request == {"text": "hello", "segments": SEGMENTS}


def test_an_object_passes_the_fields_that_the_request_has() -> None:
    transcript = {"text": "hello", "segments": SEGMENTS, "language": "en", "duration_seconds": 1}
    request = build_request(
        step(Capability.SENTIMENT_ANALYSIS, input="transcript"), {"transcript": transcript}
    )
    assert request == {"text": "hello", "segments": SEGMENTS}


def test_fields_that_are_null_are_not_passed() -> None:
    redacted = {"text": "hello", "segments": None}
    request = build_request(
        step(Capability.PII_REDACTION, input="redacted"), {"redacted": redacted}
    )
    assert request == {"text": "hello"}


@pytest.mark.parametrize(
    ("capability", "field"),
    [
        (Capability.TRANSCRIPTION, "audio_url"),
        (Capability.PII_REDACTION, "text"),
        (Capability.SUMMARIZATION, "text"),
        (Capability.LLM_GENERATION, "prompt"),
    ],
)
def test_anything_else_becomes_the_first_field(capability: Capability, field: str) -> None:
    assert build_request(step(capability, input="x"), {"x": "value"}) == {field: "value"}


def test_an_input_that_was_skipped_passes_nothing() -> None:
    assert build_request(step(Capability.SUMMARIZATION, input="x"), {"x": None}) == {}


def test_params_win_and_are_filled() -> None:
    params = {"text": "short: ${x}", "max_sentences": 2}
    request = build_request(step(Capability.SUMMARIZATION, input="x", params=params), {"x": "long"})
    assert request == {"text": "short: long", "max_sentences": 2}


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"input": "x"}, ("x",)),
        ({}, ("text",)),
        ({"input": "x", "params": {"text": "${y.z} and ${'other'}"}}, ("x", "y")),
        ({"input": "x", "params": {"text": "$${y}"}}, ("x",)),
    ],
)
def test_only_what_the_request_is_made_from_is_used(
    fields: dict[str, Any], names: tuple[str, ...]
) -> None:
    context = {"x": "1", "y": {"z": 2}, "text": "t", "unused": 0}
    assert names_used(step(Capability.SUMMARIZATION, **fields), context) == names


def test_what_is_used_suffices() -> None:
    used = step(Capability.SUMMARIZATION, input="x", params={"max_sentences": "${y.z}"})
    context = {"x": "1", "y": {"z": 2}, "unused": 0}
    part = {name: context[name] for name in names_used(used, context)}
    assert build_request(used, part) == build_request(used, context)
