"""How a text feels, by a language model: one verdict on the whole, one on each segment."""

from typing import Any

from providers.derived.documents import rules_for, write_document
from providers.errors import ProviderFault
from providers.types import GenerationRequest, SegmentSentiment, SentimentRequest, SentimentResponse

# Tokens of the answer: a verdict takes about 20.
_TOKENS_BEFORE = 128
_TOKENS_PER_VERDICT = 32

_TASK = """\
Judge the feeling that the document expresses{segments}. Judge what is felt, not whether the matter
is good or bad for anybody, and mind irony.

"label" is one of:
- positive: contentment, gratitude, joy, relief
- negative: anger, disappointment, worry, sadness
- mixed: strong feelings of both kinds
- neutral: no feeling to speak of, such as plain facts and questions

"score" is a number from -1 (as negative as can be) over 0 (neutral, or both kinds in balance) to 1
(as positive as can be)."""
_SEGMENTS = (
    ', on the whole and segment by segment. "segments" has one verdict for every segment, none left'
    ' out, in their order; "n" is its number'
)


def ask(request: SentimentRequest) -> GenerationRequest:
    """Write what the model is asked."""
    task = _TASK.format(segments="" if request.segments is None else _SEGMENTS)
    verdicts = 1 + len(request.segments or ())
    return GenerationRequest(
        system=f"{task}\n\n{rules_for(request)}",
        prompt=write_document(request),
        max_output_tokens=_TOKENS_BEFORE + _TOKENS_PER_VERDICT * verdicts,
        response_schema=_schema(segmented=request.segments is not None),
    )


def read(request: SentimentRequest, data: dict[str, Any]) -> SentimentResponse:
    """Take the verdicts.

    Raises:
        ProviderFault: There is not one for each segment, in their order. Retried.
    """
    whole = {"label": data["label"], "score": data["score"]}
    if request.segments is None:
        return SentimentResponse(**whole)
    verdicts = data["segments"]
    if [verdict["n"] for verdict in verdicts] != list(range(len(request.segments))):
        raise ProviderFault("The model did not judge each segment once, in their order.")
    return SentimentResponse(
        **whole,
        segments=tuple(
            SegmentSentiment(
                label=verdict["label"], score=verdict["score"], speaker=segment.speaker
            )
            for segment, verdict in zip(request.segments, verdicts, strict=True)
        ),
    )


def neutral(request: SentimentRequest) -> dict[str, Any]:
    """Write the verdict on a text that says nothing."""
    verdict = {"label": "neutral", "score": 0}
    segments = [{"n": number, **verdict} for number in range(len(request.segments or ()))]
    return {**verdict, "segments": segments}


def _schema(*, segmented: bool) -> dict[str, Any]:
    verdict: dict[str, Any] = {
        "label": {"type": "string", "enum": ["positive", "neutral", "negative", "mixed"]},
        "score": {"type": "number", "minimum": -1, "maximum": 1},
    }
    if not segmented:
        return _closed(verdict)
    numbered = _closed({"n": {"type": "integer"}, **verdict})
    return _closed({**verdict, "segments": {"type": "array", "items": numbered}})


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
