"""What must hold of an answer, whoever gave it: its form, its places, what it used."""

from collections.abc import Iterator, Sequence

from jsonschema import Draft202012Validator

from providers.adapters.base import ProviderAnswer
from providers.prices import cost_of
from providers.types import (
    RESPONSES,
    Capability,
    CostUnit,
    Entity,
    GenerationRequest,
    GenerationResponse,
    Offer,
    RedactionRequest,
    RedactionResponse,
    Segment,
    SentimentRequest,
    SentimentResponse,
    TranscriptionResponse,
    Usage,
    Value,
)

# s: vendors round the ends of words, and the length of a recording, to tenths at the coarsest.
_ROUNDING = 0.1


def answer_faults(offer: Offer, request: Value, answer: object) -> Iterator[str]:
    """Find what is wrong with an answer to a request; each fault is one sentence."""
    if not isinstance(answer, ProviderAnswer):
        yield f"call() must return a ProviderAnswer; it returned a {type(answer).__name__}."
        return
    expected = RESPONSES[offer.capability]
    if type(answer.response) is not expected:
        found = type(answer.response).__name__
        yield f"the response must be a {expected.__name__}; it is a {found}."
    else:
        yield from _response_faults(offer.capability, request, answer.response)
    yield from _usage_faults(offer, answer.usage)


def _response_faults(capability: Capability, request: Value, response: Value) -> Iterator[str]:
    match request, response:
        case _, TranscriptionResponse():
            by_speaker = capability is Capability.TRANSCRIPTION_DIARIZATION
            yield from _transcript_faults(response, by_speaker=by_speaker)
        case RedactionRequest(), RedactionResponse():
            yield from _redaction_faults(request, response)
        case SentimentRequest(), SentimentResponse():
            yield from _sentiment_faults(request, response)
        case GenerationRequest(), GenerationResponse():
            yield from _data_faults(request, response)


def _transcript_faults(response: TranscriptionResponse, *, by_speaker: bool) -> Iterator[str]:
    if response.segments is None:
        if by_speaker:
            yield "segments must say who spoke when; they are null."
        return
    began, ended = 0.0, dict[str, float]()
    for number, segment in enumerate(response.segments):
        yield from (
            f"segments[{number}] {fault}."
            for fault in _segment_faults(segment, began, ended, response.duration_seconds)
        )
        if by_speaker and not segment.speaker:
            yield f"segments[{number}] has no speaker."
        began = segment.start
        if segment.speaker:
            ended[segment.speaker] = segment.end


def _segment_faults(
    segment: Segment, began: float, ended: dict[str, float], duration: float
) -> Iterator[str]:
    """Look at one segment: order of time, and nobody says two things at once.

    Different speakers may overlap, as people do; so may segments whose speaker is unknown.
    """
    if segment.end < segment.start:
        yield f"ends before it starts ({segment.end} s, {segment.start} s)"
    if segment.start < began:
        yield f"starts at {segment.start} s, before the one before it ({began} s)"
    if segment.end > duration + _ROUNDING:
        yield f"ends at {segment.end} s, after the recording ({duration} s)"
    if segment.start < ended.get(segment.speaker or "", 0) - _ROUNDING:
        yield f"starts at {segment.start} s, while {segment.speaker} is still speaking"


def _redaction_faults(request: RedactionRequest, response: RedactionResponse) -> Iterator[str]:
    for number, entity in enumerate(response.entities):
        yield from (f"entities[{number}] {fault}." for fault in _entity_faults(request, entity))
    if request.segments is None:
        return
    if response.segments is None or len(response.segments) != len(request.segments):
        yield f"segments must be the request's {len(request.segments)}, redacted."
        return
    for number, (before, after) in enumerate(zip(request.segments, response.segments, strict=True)):
        if before.model_copy(update={"text": ""}) != after.model_copy(update={"text": ""}):
            yield f"segments[{number}] must be the request's in everything but its text."


def _entity_faults(request: RedactionRequest, entity: Entity) -> Iterator[str]:
    if request.entities is not None and entity.type not in request.entities:
        yield f"is a {entity.type}, which was not asked for"
    if request.segments is None:
        if entity.segment is not None:
            yield "names a segment, and the request has a text"
        text = request.text or ""
    elif entity.segment is None or not 0 <= entity.segment < len(request.segments):
        yield f"must name a segment of the request; it names {entity.segment}"
        return
    else:
        text = request.segments[entity.segment].text
    if not entity.start < entity.end <= len(text):
        place = f"{entity.start}..{entity.end}"
        yield f"must lie within its text of {len(text)} code points; it is at {place}"


def _sentiment_faults(request: SentimentRequest, response: SentimentResponse) -> Iterator[str]:
    if response.segments is None:
        return
    asked: Sequence[Segment] = request.segments or ()
    if [one.speaker for one in response.segments] != [one.speaker for one in asked]:
        yield "segments must be those of the request, in its order and with its speakers."


def _data_faults(request: GenerationRequest, response: GenerationResponse) -> Iterator[str]:
    """Look at data that was asked for; an answer that was cut off (`length`) has none."""
    if request.response_schema is None or response.finish_reason == "length":
        return
    if response.data is None:
        yield "data must be there, since response_schema asks for it; it is null."
    elif not Draft202012Validator(request.response_schema).is_valid(response.data):
        yield "data must follow response_schema."


def _usage_faults(offer: Offer, usage: Usage) -> Iterator[str]:
    sold_by = {
        CostUnit.TOKEN: ("input_tokens", "output_tokens"),
        CostUnit.MINUTE: ("audio_seconds",),
        CostUnit.CHARACTER: ("characters",),
        CostUnit.FREE: (),
    }
    missing = [name for name in sold_by[offer.cost_unit] if getattr(usage, name) is None]
    if missing:
        yield f"usage lacks {' and '.join(missing)}, and the offer is sold by {offer.cost_unit}."
    elif offer.price is not None and cost_of(offer, usage) is None:
        yield "the cost of this usage is unknown, although the offer has a price."
