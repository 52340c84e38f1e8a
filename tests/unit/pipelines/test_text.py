"""Definitions as text: what is written reads back as the same value."""

import string
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.builder import Pipeline
from pipelines.check import check_document
from pipelines.document import read_json, read_yaml
from pipelines.errors import NotExportable
from pipelines.model import PipelineDefinition
from pipelines.predefined import PREDEFINED
from pipelines.text import to_json, to_yaml
from providers.types import Capability

names = st.text(string.ascii_lowercase, min_size=4, max_size=12).map("n_{}".format)
texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    | st.sampled_from(" \t\n\r:#-'\"{}[],&*!|>%@\\\x85\u2028"),
    max_size=40,
).filter(lambda text: "${" not in text)
tricky = st.sampled_from(
    [
        "",
        "yes",
        "null",
        "~",
        "0o17",
        "1e3",
        ".5",
        "+1",
        "0x1F",
        "1_000",
        "2026-01-01",
        "1:20",
        "=",
        "<<",
        "- a",
        "a: b",
        "#",
        "true ",
        " lead",
        "a\n",
        "\na",
        "a\n\n",
        "a \nb",
        "${'$'}{",
        "$${literal}",
    ]
)
scalars = (
    texts
    | tricky
    | st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | tricky, inner, max_size=3),
    max_leaves=8,
)
response_schemas = st.fixed_dictionaries({"type": st.just("object"), "default": json_values})
seconds = st.floats(1, 86400) | st.integers(1, 86400)


@st.composite
def steps(draw: st.DrawFn, name: str, earlier: list[str]) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "providers": st.lists(names, max_size=2),
        "fallback": st.fixed_dictionaries({"max_fallbacks": st.integers(0, 20)}),
        "retry": st.fixed_dictionaries(
            {},
            optional={"max_attempts": st.integers(1, 100), "backoff_coefficient": st.floats(1, 10)},
        ),
        "timeout": seconds,
        "input": st.sampled_from(["a_key", {"system": "a_key", "prompt": "string(a_key)"}]),
        "params": st.fixed_dictionaries(
            {"prompt": texts | tricky | st.just("Say ${a_key} twice:\n${a_key}")},
            optional={"response_schema": response_schemas},
        ),
        "when": st.sampled_from(["size(a_key) > 3", 'true\n&& a_key == "it\'s"']),
        "optional": st.booleans(),
        "needs": st.lists(st.sampled_from(earlier), unique=True) if earlier else st.just([]),
        "max_parallel": st.integers(1, 1000),
        "on_item_error": st.sampled_from(["fail", "collect"]),
        "compensate": names,
        "on_refusal": st.sampled_from(["fail", "fallback"]),
    }
    chosen = draw(st.fixed_dictionaries({}, optional=settings))
    chosen.setdefault("params", {"prompt": "hi"})
    return {"name": name, "capability": Capability.LLM_GENERATION} | chosen


@st.composite
def definitions(draw: st.DrawFn) -> PipelineDefinition:
    step_names = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    optional = {
        "version": st.sampled_from(["1.0.0", "2.0.0-rc.1+build.5"]),
        "description": texts | tricky,
        "timeout": seconds,
        "max_cost_usd": st.decimals("0.01", "1000", places=3),
        "on_budget_exceeded": st.sampled_from(["fail", "pause"]),
        "input_schema": st.fixed_dictionaries({"default": json_values, "description": texts}),
        "output": st.dictionaries(names, st.sampled_from(["a_key", "{'a': [1, 'b']}"])),
    }
    fields = draw(st.fixed_dictionaries({}, optional=optional))
    written = [draw(steps(name, step_names[:n])) for n, name in enumerate(step_names)]
    return PipelineDefinition.model_validate({"name": draw(names), "steps": written} | fields)


@given(definitions())
@example(PREDEFINED[1])
def test_what_is_written_reads_back_as_the_same(definition: PipelineDefinition) -> None:
    from_yaml = check_document(read_yaml(to_yaml(definition)), None)
    from_json = check_document(read_json(to_json(from_yaml)), None)
    assert from_yaml == definition
    assert from_json == definition
    assert to_yaml(from_json) == to_yaml(definition)


def test_the_dsl_reads_back_as_the_same() -> None:
    built = (
        Pipeline("demo")
        .version("1.2.0")
        .timeout(600)
        .max_cost("0.50")
        .step("redact")
        .capability(Capability.PII_REDACTION)
        .input_from("text")
        .done()
        .step("sum")
        .capability(Capability.SUMMARIZATION)
        .after("redact")
        .input_from(text="redact.text")
        .with_retry(max_attempts=2)
        .compensate_with("delete_artifact")
        .done()
        .build()
    )
    assert check_document(read_yaml(to_yaml(built)), None) == built
    assert built.max_cost_usd == Decimal("0.50")


def test_yaml_is_written_for_readers() -> None:
    built = (
        Pipeline("demo")
        .timeout(600)
        .output(short="coach.text")
        .step("coach")
        .capability(Capability.LLM_GENERATION)
        .prefer_providers("openai")
        .params(prompt="Be brief.\nBe kind.\n", max_output_tokens=400)
        .timeout(1.5)
        .done()
        .build()
    )
    assert to_yaml(built) == (
        "name: demo\n"
        "version: 1.0.0\n"
        "timeout: 600\n"
        "steps:\n"
        "  - name: coach\n"
        "    capability: llm_generation\n"
        "    providers:\n"
        "      - openai\n"
        "    timeout: 1.5\n"
        "    params:\n"
        "      prompt: |\n"
        "        Be brief.\n"
        "        Be kind.\n"
        "      max_output_tokens: 400\n"
        "output:\n"
        "  short: coach.text\n"
    )


@pytest.mark.parametrize("write", [to_yaml, to_json])
def test_a_python_function_is_not_written(write: Any) -> None:
    built = (
        Pipeline("demo")
        .step("redact")
        .capability(Capability.PII_REDACTION)
        .when(lambda context: len(context) > 1)
        .done()
        .build()
    )
    with pytest.raises(NotExportable, match="Step 'redact' can't be written as text: its 'when'"):
        write(built)
