"""What the checker says of a value's type holds in a run: it refuses nothing that could pass."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from pipelines.check import check_document
from pipelines.checking.feeding import misfit
from pipelines.document import read_yaml
from providers.types import REQUESTS, Capability

SEGMENT = {"start": 0.0, "end": 1.5, "text": "hello"}
MOOD = {"label": "negative", "score": -0.5}
ENTITY = {"type": "EMAIL", "start": 0, "end": 3, "score": 1.0}
VALUES: dict[str, list[Any]] = {
    "STRING": ["hello", "3", "mask", ""],
    "INT": [3, -1],
    "UINT": [3],
    "DOUBLE": [1.5, 2.0],
    "BOOL": [True],
    "NULL": [None],
    "DYN": ["hello", 3, None, [SEGMENT]],
    "LIST<STRING>": [["EMAIL"]],
    "LIST<INT>": [[1]],
    "LIST<DYN>": [["EMAIL"], [SEGMENT], []],
    "LIST<MAP<STRING, STRING>>": [[{"role": "user", "content": "hi"}]],
    "LIST<MAP<STRING, DYN>>": [[SEGMENT]],
    "MAP<STRING, DYN>": [{"type": "object"}, {}],
    "LIST<package.Segment>": [[SEGMENT], [SEGMENT | {"speaker": "A", "confidence": 0.5}]],
    "LIST<package.SegmentSentiment>": [[MOOD]],
    "LIST<package.Entity>": [[ENTITY]],
    "package.Segment": [SEGMENT],
    "package.SentimentResponse": [MOOD | {"segments": None}],
    "package.CollectedSummarizationResponse": [{"text": "hello"}, {"error": {"code": "x"}}],
}


def fields() -> Iterator[tuple[Capability, str]]:
    for capability, request in REQUESTS.items():
        yield from ((capability, field) for field in request.model_fields)


def takes(capability: Capability, field: str, value: Any) -> bool:
    annotation: Any = REQUESTS[capability].model_fields[field].annotation
    try:
        TypeAdapter(annotation).validate_python(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("kind", VALUES)
def test_what_a_run_takes_is_never_refused(kind: str) -> None:
    for capability, field in fields():
        if misfit(capability, (field,), kind):
            taken = [value for value in VALUES[kind] if takes(capability, field, value)]
            assert (capability, field, taken) == (capability, field, [])


@pytest.mark.parametrize(
    ("capability", "field", "kind"),
    [
        ("transcription", "audio_url", "INT"),
        ("transcription", "language", "LIST<STRING>"),
        ("llm_generation", "max_output_tokens", "NULL"),
        ("llm_generation", "response_schema", "LIST<DYN>"),
        ("pii_redaction", "mode", "MAP<STRING, DYN>"),
        ("pii_redaction", "segments", "LIST<package.SegmentSentiment>"),
        ("summarization", "text", "DURATION"),
        ("summarization", "text", "TYPE<INT>"),
    ],
)
def test_what_no_run_takes_is_refused(capability: str, field: str, kind: str) -> None:
    assert misfit(Capability(capability), (field,), kind)


@pytest.mark.parametrize(
    "step",
    [
        "capability: summarization, input: {text: mood.label, max_sentences: mood.score}",
        "capability: summarization, input: {text: n}, params: {text: constant}",
        "capability: summarization, input: n, params: {text: '${n} and ${n}'}",
        "capability: pii_redaction, input: mood, params: {text: hello}",
        "capability: pii_redaction, input: redacted, params: {entities: [EMAIL]}",
        "capability: sentiment_analysis, input: redacted",
        "capability: llm_generation, params: {prompt: hi, response_schema: {const: '${n}'}}",
        "capability: llm_generation, params: {prompt: hi, max_output_tokens: '${n}'}",
        "capability: summarization, for_each: redacted.segments, input: item",
        "capability: summarization, for_each: anything, input: item",
        "capability: summarization, for_each: moods, input: item",
        "capability: summarization, input: anything",
    ],
)
def test_a_step_that_may_run_is_right(step: str) -> None:
    text = f"""
name: demo
input_schema: {{additionalProperties: true, properties: {{n: {{type: integer}}}}}}
steps:
  - {{name: redacted, capability: pii_redaction}}
  - {{name: mood, capability: sentiment_analysis, input: redacted}}
  - name: moods
    capability: sentiment_analysis
    for_each: redacted.segments
    on_item_error: collect
    input: {{text: item.text}}
  - {{name: last, {step}}}
"""
    check_document(read_yaml(text))
