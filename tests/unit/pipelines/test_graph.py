"""A definition as a graph: order, rails in text, Mermaid."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pipelines.builder import Pipeline
from pipelines.graph import NODE, edges, layers, ordered, rails
from pipelines.mermaid import to_mermaid
from pipelines.model import PipelineDefinition
from pipelines.predefined import CALL_ANALYSIS
from providers.types import Capability


def graph(**needs: Sequence[str] | None) -> PipelineDefinition:
    """Steps by name with what they need; None is the step before."""
    steps = [
        {"name": name, "capability": "summarization", "input": "text"}
        | ({} if wanted is None else {"needs": list(wanted)})
        for name, wanted in needs.items()
    ]
    return PipelineDefinition.model_validate({"name": "demo", "steps": steps})


def drawing(definition: PipelineDefinition, most: int = 10) -> str:
    rows = rails(definition, most=most)
    assert rows is not None
    lines: list[str] = []
    for row in rows:
        lines += [*([row.above] if lines else []), f"{row.at} {row.step.name}"]
    return "\n".join(lines)


DRAWINGS: Mapping[str, tuple[PipelineDefinition, str]] = {
    "one after the other": (
        graph(a=None, b=None, c=None),
        """
● a
│
● b
│
● c""",
    ),
    "a diamond": (
        graph(a=None, b=["a"], c=["a"], d=["b", "c"]),
        """
● a
├─╮
│ ● b
│ │
● │ c
├─╯
● d""",
    ),
    "at once": (
        graph(a=None, b=[], c=["a", "b"]),
        """
● a
│
│ ● b
├─╯
● c""",
    ),
    "a rail that is crossed": (
        graph(a=None, b=[], c=[], d=["a", "c"], e=["b", "d"]),
        """
● a
│
│ ● b
│ │
│ │ ● c
├─│─╯
● │ d
├─╯
● e""",
    ),
}


@pytest.mark.parametrize(("definition", "lines"), DRAWINGS.values(), ids=DRAWINGS.keys())
def test_a_graph_is_drawn_on_rails(definition: PipelineDefinition, lines: str) -> None:
    assert drawing(definition) == lines.strip()


def test_a_step_stands_below_those_that_it_needs_wherever_it_is_written() -> None:
    definition = graph(last=["first"], first=[], other=["first"])
    assert [step.name for step in ordered(definition)] == ["first", "last", "other"]
    assert layers(definition) == [["first"], ["last", "other"]]
    assert edges(definition) == [("first", "last"), ("first", "other")]


def test_a_graph_that_is_too_wide_is_not_drawn() -> None:
    wide = graph(**{f"s{place}": [] for place in range(4)}, end=[f"s{n}" for n in range(4)])
    assert drawing(wide, most=4).count(NODE) == 5
    assert rails(wide, most=3) is None


def test_mermaid_shows_what_may_be_skipped() -> None:
    assert to_mermaid(CALL_ANALYSIS) == (
        "---\n"
        "title: call_analysis@1.0.0\n"
        "---\n"
        "flowchart TD\n"
        '    s0["transcribe<br/>transcription_diarization<br/>deepgram, openai"]\n'
        '    s1["redact<br/>pii_redaction"]\n'
        '    s2["analyze_sentiment<br/>sentiment_analysis"]\n'
        '    s3{{"summarize<br/>summarization<br/>when size(redacted.text) #62; 500'
        '<br/>optional"}}\n'
        '    s4(["coach<br/>llm_generation<br/>optional"])\n'
        "    s0 --> s1\n"
        "    s1 --> s2\n"
        "    s2 -.-> s3\n"
        "    s3 -.-> s4\n"
        "    classDef optional stroke-dasharray: 5 5\n"
        "    class s3,s4 optional\n"
    )


@pytest.mark.parametrize(
    ("when", "label"),
    [
        ('text == "<b>"', "when text == #34;#60;b#62;#34;"),
        ("text == '`end`; %% $$x$$'", "when text == '#96;end#96;#59; #37;#37; #36;#36;x#36;#36;'"),
        ("text == 'ü 日本'", "when text == 'ü 日本'"),
        ("text == '\u202e\x1b'", "when text == '#8238;#27;'"),
        ("text ==\n\n  'a'", "when text == 'a'"),
        (f"text == '{'a' * 100}'", f"when text == '{'a' * 65}…"),
    ],
)
def test_a_label_means_nothing_to_mermaid(when: str, label: str) -> None:
    (step,) = graph(a=None).steps
    changed = graph(a=None).model_copy(update={"steps": (step.model_copy(update={"when": when}),)})
    assert f'{{{{"a<br/>summarization<br/>{label}"}}}}' in to_mermaid(changed)


def test_a_function_and_a_loop_are_named() -> None:
    def always(_: dict[str, Any]) -> bool:
        return True

    asked = Pipeline("demo").step("a").capability(Capability.SUMMARIZATION).input_from("text")
    asked = asked.when(always).done().step("b").capability(Capability.SUMMARIZATION)
    text = to_mermaid(
        asked.for_each("texts", on_item_error="collect").input_from("item").done().build()
    )
    assert 's0{{"a<br/>summarization<br/>when a Python function"}}' in text
    assert 's1[["b<br/>summarization<br/>for each of texts, 10 at a time, failed' in text
