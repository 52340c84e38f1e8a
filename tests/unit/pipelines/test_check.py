"""Wrong definitions and what their writers are told; `wrong_definitions.txt` is the table.

Each of its entries is a title, a definition, and after `--` every mistake: line, column, pointer
and sentence.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from benchmarks.hostile import DOCUMENTS
from pipelines.check import check_definition, check_document
from pipelines.checking.findings import MAX_FOUND, MAX_MISTAKES
from pipelines.checking.located_templates import located_expressions
from pipelines.document import Document, read_json, read_yaml
from pipelines.errors import InvalidDefinition, Mistake
from pipelines.model import PipelineDefinition
from pipelines.predefined import PREDEFINED
from pipelines.templates import expressions_in
from pipelines.vocabulary import RESERVED, Vocabulary, nearest
from providers.types import Capability

VOCABULARY = Vocabulary(
    providers={
        "deepgram": frozenset({Capability.TRANSCRIPTION, Capability.TRANSCRIPTION_DIARIZATION}),
        "openai": frozenset(Capability),
        "local": frozenset(Capability) - {Capability.LLM_GENERATION},
    },
    compensations=frozenset({"delete_artifact"}),
)
TABLE = (Path(__file__).parent / "wrong_definitions.txt").read_text(encoding="utf-8")
ENTRIES = [
    pytest.param(text, told.strip().splitlines(), id=title)
    for title, text, told in re.findall(r"(?ms)^== (.*?)\n(.*?)^--\n(.*?)(?=^== |\Z)", TABLE)
]

# The example of the language's specification.
INSIGHTS = r"""
name: call_insights
version: 1.0.0
description: Full call analysis with insights
timeout: 600
max_cost_usd: "0.50"
on_budget_exceeded: fail
input_schema: {type: object, required: [audio_url], properties: {audio_url: {type: string}}}
steps:
  - name: transcribe
    capability: transcription_diarization
    providers: [deepgram, openai]
    fallback: {max_fallbacks: 2}
    retry: {max_attempts: 3, initial_interval: 1, backoff_coefficient: 2, max_interval: 30}
    timeout: 120
    input: audio_url
    output: transcript
  - name: redact
    capability: pii_redaction
    input: transcript
    output: redacted
  - name: summarize
    capability: summarization
    when: size(redacted.text) > 500
    input: redacted
    output: summary
    optional: true
  - name: coach
    capability: llm_generation
    needs: [redact]
    params:
      prompt: "List three things the agent did well:\n${redacted.text}"
      max_output_tokens: 400
    output: coaching
    optional: true
    compensate: delete_artifact
    on_refusal: fail
output: {summary: summary, coaching: coaching}
"""


def mistakes(text: str, vocabulary: Vocabulary | None = VOCABULARY) -> tuple[Mistake, ...]:
    with pytest.raises(InvalidDefinition) as caught:
        check_document(read_yaml(text), vocabulary)
    return caught.value.mistakes


def with_steps(*steps: str, head: str = "") -> str:
    return "\n".join(["name: demo", head, "steps:", *(f"  - {{{step}}}" for step in steps)])


def with_condition(condition: str) -> str:
    redact = "name: redact, capability: pii_redaction, input: text, output: redacted"
    mood = "name: mood, capability: sentiment_analysis, input: redacted, optional: true"
    step = "name: last, capability: summarization, input: redacted"
    return with_steps(redact, mood, f"{step}, when: {condition!r}")


def with_schema(schema: str) -> str:
    return f"name: demo\nsteps: [{{name: z, capability: summarization}}]\ninput_schema: {schema}"


@pytest.mark.parametrize(("text", "told"), ENTRIES)
def test_every_mistake_is_told_with_its_place(text: str, told: list[str]) -> None:
    found = mistakes(text)
    assert [
        f"{mistake.line}:{mistake.column} {mistake.pointer or '(whole)'} {mistake.message}"
        for mistake in found
    ] == told


def test_the_table_is_there() -> None:
    assert len(ENTRIES) >= 60


def test_the_example_of_the_specification_is_right() -> None:
    definition = check_document(read_yaml(INSIGHTS), VOCABULARY)
    assert definition.id == "call_insights@1.0.0"
    assert [step.output_key for step in definition.steps] == [
        "transcript",
        "redacted",
        "summary",
        "coaching",
    ]


@pytest.mark.parametrize("pipeline", PREDEFINED, ids=lambda pipeline: pipeline.name)
def test_what_is_predefined_is_right(pipeline: PipelineDefinition) -> None:
    check_definition(pipeline)


@pytest.mark.parametrize(
    "condition",
    [
        "mood.score > 0",
        "mood.score == 1 && 0 < size(redacted.text)",
        "mood != null && mood.label == 'negative'",
        "redacted.segments == null",
        "redacted.segments != null ? redacted.segments[0].text == 'x' : false",
        "redacted.entities.exists(e, e.type == 'EMAIL' && e.score > 0.5)",
        "redacted.entities.exists(e, e.segment == null || e.segment == 0)",
        "has(redacted.text) && redacted.text.matches('^[a-z]+$')",
        "anything.we.do.not.know",
        "redacted.entities.map(e, e.type).filter(t, t != 'X') == ['EMAIL']",
    ],
)
def test_what_a_run_can_evaluate_is_right(condition: str) -> None:
    check_document(read_yaml(with_condition(condition)), VOCABULARY)


@pytest.mark.parametrize(
    "schema",
    [
        "{}",
        "{type: object, properties: {a: true, b: {type: [string, 'null'], maxLength: 3}}}",
        "{properties: {a: {$ref: '#/$defs/t'}}, $defs: {t: {items: {$ref: '#/$defs/t'}}}}",
        "{required: [text], additionalProperties: {type: string}, x-own: [1]}",
        "{$schema: 'https://json-schema.org/draft/2020-12/schema', allOf: [{required: [a]}]}",
    ],
)
def test_a_schema_is_one(schema: str) -> None:
    check_document(read_yaml(with_schema(schema).replace("zation", "zation, input: a")), None)


@pytest.mark.parametrize(
    ("schema", "allowed"),
    [
        ("{}", True),
        ("{required: [a]}", True),
        ("{additionalProperties: false}", False),
        ("{properties: {a: {}}}", False),
        ("{properties: {a: {}}, additionalProperties: true}", True),
        ("{properties: {a: {}}, allOf: [{properties: {key: {}}}]}", True),
        ("{properties: {key: {}}}", True),
    ],
)
def test_a_key_is_assumed_where_the_schema_leaves_it_open(schema: str, *, allowed: bool) -> None:
    text = with_schema(schema).replace("zation", "zation, input: key")
    if allowed:
        check_document(read_yaml(text), None)
    else:
        assert [mistake.pointer for mistake in mistakes(text)] == ["/steps/0/input"]


def test_the_items_of_a_loop_have_their_types() -> None:
    text = with_steps(
        "name: a, capability: transcription, input: audio_url",
        "name: b, capability: summarization, for_each: a.segments, on_item_error: collect, "
        "when: index < 10, input: {text: item.text}",
        "name: c, capability: summarization, "
        'input: {text: "b.filter(r, !has(r.error)).map(r, r.text)[0]"}',
    )
    check_document(read_yaml(text), VOCABULARY)


def test_a_schema_may_have_lists_within_many_lists() -> None:
    schema = f"{{properties: {{a: {'{type: array, items: ' * 20}{{}}{'}' * 20}}}}}"
    step = "zation, when: 'size(a[0][0]) > 1', input: {text: string(size(a))}"
    check_document(read_yaml(with_schema(schema).replace("zation", step)), None)


def test_without_a_vocabulary_names_of_providers_are_not_checked() -> None:
    step = "name: a, capability: summarization, input: t, providers: [acme], compensate: nothing"
    check_document(read_yaml(with_steps(step)), None)
    assert len(mistakes(with_steps(step))) == 2


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_a_reserved_word_is_no_name(word: str) -> None:
    (mistake,) = mistakes(with_steps(f"name: '{word}', capability: summarization, input: t"))
    assert mistake.message.startswith(f"'{word}' is reserved")


def test_json_has_pointers_in_the_order_of_the_document() -> None:
    text = '{"steps": [{"name": "A", "capability": "x", "input": "y"}], "name": "B", "z": 1}'
    with pytest.raises(InvalidDefinition) as caught:
        check_document(read_json(text), None)
    assert [(mistake.pointer, mistake.line) for mistake in caught.value.mistakes] == [
        ("/steps/0/name", None),
        ("/steps/0/capability", None),
        ("/name", None),
        ("/z", None),
    ]


def test_a_character_is_found_in_every_way_to_write_a_text() -> None:
    for written, place in {
        "t.. == 1": (5, 13),
        "'t == ''a'' + 1 +'": (5, 28),
        '"t == \\x74 +"': (5, 23),
        "|\n      true &&\n      t == b. + 1": (7, 15),
        ">\n      t ==\n      b. + 1": (5, 11),
    }.items():
        (mistake,) = mistakes(
            "name: demo\nsteps:\n  - name: a\n    capability: summarization\n"
            f"    when: {written}\n    input: t"
        )
        assert (written, mistake.line, mistake.column) == (written, *place)


def test_no_more_mistakes_are_told_than_anybody_reads() -> None:
    some = mistakes(with_steps(*[f"name: s{n}, capability: x" for n in range(120)]))
    assert len(some) == MAX_MISTAKES + 1
    assert some[-1].message == "And 20 more mistakes."
    many = mistakes("{" + ", ".join(f"k{n}: 1" for n in range(2000)) + "}")
    assert many[-1].message == f"And more than {MAX_FOUND - MAX_MISTAKES} more mistakes."


def test_a_mistake_is_not_told_with_what_follows_from_it() -> None:
    text = with_steps(
        "name: a, capability: telepathy, output: x",
        "name: b, capability: summarization, input: x, when: size(x.anything) > 3",
        head="input_schema: {properties: {t: {}}}",
    )
    assert [mistake.pointer for mistake in mistakes(text)] == ["/steps/0/capability"]


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("transcirpt", "transcript"),
        ("txt", "text"),
        ("TEXT", "text"),
        ("zzz", None),
        ("text", None),
    ],
)
def test_the_nearest_name_is_found(name: str, other: str | None) -> None:
    assert nearest(name, ["text", "transcript", "summary"]) == other


@given(st.text("${}'\"\\ab\n", max_size=30))
@example("${ '}' } $${ ${a")
def test_templates_are_taken_apart_as_they_are_filled(text: str) -> None:
    parts = list(located_expressions(text))
    if all(isinstance(part, tuple) for part in parts):
        assert [part[1] for part in parts if isinstance(part, tuple)] == list(expressions_in(text))
        assert all(text[at:].startswith(source) for at, source in parts)  # type: ignore[misc]


@pytest.mark.parametrize(("read", "text"), DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_a_hostile_document_is_refused_at_once(read: Callable[[str], Document], text: str) -> None:
    def took() -> float:
        start = time.process_time()
        with pytest.raises(InvalidDefinition) as caught:
            check_document(read(text), VOCABULARY)
        took = time.process_time() - start
        assert sum(len(str(mistake)) for mistake in caught.value.mistakes) < 1_000_000
        return took

    assert min(took() for _ in range(3)) < 0.1
