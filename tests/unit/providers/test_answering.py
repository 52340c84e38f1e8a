"""What holds of an answer, held against the request."""

import re
from decimal import Decimal
from typing import Any

import pytest

from providers.adapters.base import ProviderAnswer
from providers.answering import answer_faults
from providers.types import (
    Capability,
    CostUnit,
    GenerationRequest,
    GenerationResponse,
    Offer,
    QualityTier,
    RedactionRequest,
    RedactionResponse,
    Segment,
    SentimentRequest,
    SentimentResponse,
    TranscriptionRequest,
    TranscriptionResponse,
    Usage,
    Value,
)

SCHEMA = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}
CALL = (
    Segment(start=0, end=1, speaker="a", text="your phone number?"),
    Segment(start=1, end=2, speaker="b", text="four one five five five five two"),
)


def free(capability: Capability) -> Offer:
    return Offer(
        provider="demo",
        capability=capability,
        model="m",
        quality_tier=QualityTier.BASIC,
        cost_unit=CostUnit.FREE,
        price=Decimal(0),
        price_source="a test",
    )


def segments(*times: tuple[float, float, str | None]) -> tuple[Segment, ...]:
    return tuple(Segment(start=a, end=b, speaker=who, text="x") for a, b, who in times)


def transcript(*times: tuple[float, float, str | None]) -> TranscriptionResponse:
    found = segments(*times) if times else None
    return TranscriptionResponse(text="x", language="en", duration_seconds=9, segments=found)


def entity(start: int, end: int, **more: Any) -> RedactionResponse:
    found = {"type": "PERSON", "start": start, "end": end, "score": 1, **more}
    return RedactionResponse.model_validate({"text": "x", "entities": [found]})


SPEECH, SPEAKERS = Capability.TRANSCRIPTION, Capability.TRANSCRIPTION_DIARIZATION
PII, MOOD = Capability.PII_REDACTION, Capability.SENTIMENT_ANALYSIS
RECORDING = TranscriptionRequest(audio_url="artifact://1")
MIXED = {"label": "mixed", "score": 0}


@pytest.mark.parametrize(
    ("capability", "request_", "response", "fault"),
    [
        (SPEECH, RECORDING, transcript(), None),
        (SPEECH, RECORDING, transcript((0, 2, None), (1, 9, None)), None),
        (SPEECH, RECORDING, transcript((2, 3, None), (1, 2, None)), "starts at 1.0 s, before"),
        (SPEECH, RECORDING, transcript((2, 1, None)), "ends before it starts"),
        (SPEECH, RECORDING, transcript((2, 9.2, None)), "ends at 9.2 s, after the recording"),
        (SPEAKERS, RECORDING, transcript((0, 2, "a"), (1, 3, "b"), (2, 4, "a")), None),
        (SPEAKERS, RECORDING, transcript((0, 2, "a"), (1, 3, "a")), "while a is still speaking"),
        (SPEAKERS, RECORDING, transcript((0, 2, None)), r"segments\[0\] has no speaker"),
        (SPEAKERS, RECORDING, transcript(), "who spoke when; they are null"),
        (PII, RedactionRequest(text="Jane"), entity(0, 4), None),
        (PII, RedactionRequest(text="Jane"), entity(0, 5), r"of 4 code points; it is at 0\.\.5"),
        (PII, RedactionRequest(text="Jane"), entity(2, 2), r"it is at 2\.\.2"),
        (PII, RedactionRequest(text="Jane"), entity(0, 4, segment=0), "names a segment, and"),
        (PII, RedactionRequest(text="Jane", entities=("IP",)), entity(0, 4), "was not asked for"),
        (PII, RedactionRequest(segments=CALL), entity(0, 4), "must name a segment .* names None"),
        (PII, RedactionRequest(segments=CALL), entity(0, 4, segment=2), "it names 2"),
        (PII, RedactionRequest(segments=CALL), entity(0, 40, segment=1), "of 32 code points"),
        (PII, RedactionRequest(segments=CALL), entity(0, 4, segment=1), "request's 2, redacted"),
        (
            PII,
            RedactionRequest(segments=CALL),
            RedactionResponse(text="x", segments=CALL[::-1], entities=()),
            r"segments\[0\] must be the request's in everything but",
        ),
        (MOOD, SentimentRequest(segments=CALL), SentimentResponse(label="mixed", score=0), None),
        (
            MOOD,
            SentimentRequest(segments=CALL),
            SentimentResponse.model_validate(MIXED | {"segments": [MIXED | {"speaker": "a"}]}),
            "those of the request",
        ),
        (
            Capability.LLM_GENERATION,
            GenerationRequest(prompt="a", response_schema=SCHEMA),
            GenerationResponse(text="{}", data={}, finish_reason="stop"),
            "data must follow response_schema",
        ),
        (
            Capability.LLM_GENERATION,
            GenerationRequest(prompt="a", response_schema=SCHEMA),
            GenerationResponse(text="{}", finish_reason="stop"),
            "since response_schema asks for it",
        ),
        (
            Capability.LLM_GENERATION,
            GenerationRequest(prompt="a", response_schema=SCHEMA),
            GenerationResponse(text="{", finish_reason="length"),
            None,
        ),
    ],
)
def test_an_answer_is_held_against_its_request(
    capability: Capability, request_: Value, response: Value, fault: str | None
) -> None:
    answer = ProviderAnswer(response, Usage())
    found = [*answer_faults(free(capability), request_, answer)]
    if fault is None:
        assert found == []
    else:
        assert any(re.search(fault, one) for one in found), found
