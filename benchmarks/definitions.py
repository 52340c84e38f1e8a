"""How long definitions and conditions take: `python -m benchmarks.definitions`.

Each figure is the median of many rounds in processor time, beside a baseline that is measured in
the same rounds.

- Checking: from the text of a definition of 50 steps that uses all of the language to the checked
  definition, as `perdure pipelines validate` does; beside PyYAML's `safe_load` of the same text,
  which only reads it.
- Conditions: as the interpreter evaluates a step's `when`, over a context of 1 KB, compiled before;
  beside the same condition as a Python function. The slowest of several counts.
- Hostile definitions: from the text to the refusal. The slowest counts.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import yaml

from benchmarks.hostile import DOCUMENTS
from benchmarks.result import Result, show
from benchmarks.timing import medians
from pipelines.check import check_document
from pipelines.document import Document, read_yaml
from pipelines.errors import InvalidDefinition
from pipelines.expressions import evaluate
from pipelines.model import PipelineDefinition

_MILLI, _MICRO = 1e3, 1e6

_HEAD = """\
name: fifty_steps
version: 1.0.0
description: Ten calls of one customer, each redacted, judged, shortened and answered
timeout: 600
max_cost_usd: "0.50"
input_schema:
  type: object
  required: [calls, customer]
  properties:
    calls: {type: array, items: {type: string}}
    customer: {type: object}
    language: {type: string}
steps:
"""
_FIVE_STEPS = """\
  - name: transcribe_{n}
    capability: transcription_diarization
    needs: []
    providers: [deepgram, openai]
    fallback: {{max_fallbacks: 2}}
    retry: {{max_attempts: 3, initial_interval: 1, backoff_coefficient: 2, max_interval: 30}}
    timeout: 120
    when: size(calls) > {n}
    input: {{audio_url: "calls[{n}]"}}
    output: transcript_{n}
  - name: redact_{n}
    capability: pii_redaction
    input: transcript_{n}
    params: {{mode: mask}}
    output: redacted_{n}
  - name: judge_{n}
    capability: sentiment_analysis
    for_each: redacted_{n}.segments
    when: index < 100 && item.speaker != null
    max_parallel: 4
    on_item_error: collect
    input: {{text: item.text}}
    output: moods_{n}
  - name: shorten_{n}
    capability: summarization
    when: size(redacted_{n}.text) > 500 && redacted_{n}.entities.exists(e, e.type == 'PERSON')
    input: {{text: redacted_{n}.text, max_sentences: "size(moods_{n}) > 10 ? 5 : 3"}}
    output: summary_{n}
    optional: true
  - name: coach_{n}
    capability: llm_generation
    needs: [redact_{n}, shorten_{n}]
    params:
      system: You coach the agents of a call centre.
      prompt: |
        List three things that the agent of ${{customer.name}} did well:

        ${{summary_{n} != null ? summary_{n}.text : redacted_{n}.text}}
      max_output_tokens: 400
    output: coaching_{n}
    on_refusal: fallback
"""
_FOOT = """\
output:
  summaries: "[summary_0, summary_1, summary_2].filter(s, s != null).map(s, s.text)"
  coaching: coaching_9.text
"""
FIFTY_STEPS = _HEAD + "".join(_FIVE_STEPS.format(n=n) for n in range(10)) + _FOOT

CONTEXT: Mapping[str, Any] = {
    "customer": {"name": "Jane Miller", "tier": "gold", "calls": 3},
    "tags": ["billing", "orders", "urgent"],
    "redacted": {
        "text": "My order [ACCOUNT_NUMBER] is late and nobody answers my calls. " * 10,
        "entities": [
            {"type": "ACCOUNT_NUMBER", "start": 9 + 63 * n, "end": 13 + 63 * n, "score": 0.85}
            for n in range(3)
        ],
        "segments": None,
    },
    "mood": {"label": "negative", "score": -0.4, "segments": None},
}
CONDITIONS: Mapping[str, Callable[[Mapping[str, Any]], object]] = {
    "size(redacted.text) > 500": lambda c: len(c["redacted"]["text"]) > 500,  # noqa: PLR2004
    "mood.label == 'negative' && mood.score < -0.3": lambda c: (
        c["mood"]["label"] == "negative" and c["mood"]["score"] < -0.3  # noqa: PLR2004
    ),
    "customer.tier in ['gold', 'silver'] || customer.calls > 5": lambda c: (
        c["customer"]["tier"] in {"gold", "silver"} or c["customer"]["calls"] > 5  # noqa: PLR2004
    ),
    "redacted.entities.exists(e, e.type == 'PERSON' && e.score > 0.5)": lambda c: any(
        e["type"] == "PERSON" and e["score"] > 0.5  # noqa: PLR2004
        for e in c["redacted"]["entities"]
    ),
    "customer.calls > 2 && mood.score < 0.0 && 'urgent' in tags && size(redacted.text) > 99": (
        lambda c: (
            c["customer"]["calls"] > 2  # noqa: PLR2004
            and c["mood"]["score"] < 0
            and "urgent" in c["tags"]
            and len(c["redacted"]["text"]) > 99  # noqa: PLR2004
        )
    ),
}


def benchmark(*, quick: bool = False) -> Iterator[Result]:
    """Measure everything.

    Args:
        quick: Measure each thing once, to see that it works; the figures mean little then.
    """
    yield _checking(1 if quick else 100)
    yield _conditions(1 if quick else 500)
    yield _hostile(1 if quick else 10)


def check(text: str) -> PipelineDefinition:
    """Check a definition as `perdure pipelines validate` does."""
    return check_document(read_yaml(text))


def _checking(rounds: int) -> Result:
    ours, reading = medians(
        partial(check, FIFTY_STEPS), partial(yaml.safe_load, FIFTY_STEPS), rounds=rounds
    )
    note = f"{ours / reading:.2f} times as long as PyYAML's safe_load of the same text takes"
    return Result.at_most("check a definition of 50 steps", 20, ours * _MILLI, "ms", note)


def _conditions(rounds: int) -> Result:
    times = {
        condition: medians(
            partial(evaluate, condition, CONTEXT),
            partial(function, CONTEXT),
            rounds=rounds,
            batch=50,
        )
        for condition, function in CONDITIONS.items()
    }
    slowest = max(times, key=lambda condition: times[condition][0])
    ours, python = times[slowest]
    note = f"{slowest}\n{ours / python:.0f} times as long as the same as a Python function takes"
    name = "evaluate a condition, context of 1 KB"
    return Result.at_most(name, 50, ours * _MICRO, "µs", note)


def _hostile(rounds: int) -> Result:
    times = {
        name: medians(partial(_refuse, read, text), rounds=rounds)[0]
        for name, (read, text) in DOCUMENTS.items()
    }
    slowest = max(times, key=lambda name: times[name])
    note = f"the slowest of {len(times)}: {slowest}"
    return Result.at_most("refuse a hostile definition", 100, times[slowest] * _MILLI, "ms", note)


def _refuse(read: Callable[[str], Document], text: str) -> None:
    try:
        check_document(read(text))
    except InvalidDefinition:
        return
    raise AssertionError(f"not refused: {text[:80]}")


if __name__ == "__main__":
    show(list(benchmark()))
