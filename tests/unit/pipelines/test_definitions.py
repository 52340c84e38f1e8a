"""Definitions: the model's rules, the DSL that writes them, the catalogue that keeps them."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.builder import Pipeline
from pipelines.catalogue import Catalogue
from pipelines.errors import InvalidDefinition, PipelineNotFound
from pipelines.expressions import evaluate
from pipelines.model import MAX_STEPS, FallbackPolicy, PipelineDefinition, RetryPolicy
from pipelines.predefined import CALL_ANALYSIS, PREDEFINED
from providers.types import Capability

STEP = {"name": "redact", "capability": "pii_redaction"}


def definition(**fields: Any) -> PipelineDefinition:
    return PipelineDefinition.model_validate({"name": "demo", "steps": [STEP]} | fields)


def with_step(**fields: Any) -> PipelineDefinition:
    return definition(steps=[STEP | fields])


def test_what_is_not_written_has_its_default() -> None:
    found = definition()
    assert (found.id, found.timeout, found.output) == ("demo@1.0.0", 3600, None)
    step = found.steps[0]
    assert (step.timeout, step.optional, step.output_key) == (300, False, "redact")
    assert step.retry == RetryPolicy(
        max_attempts=3, initial_interval=1, backoff_coefficient=2, max_interval=30
    )
    assert step.fallback == FallbackPolicy(max_fallbacks=2)


@pytest.mark.parametrize("name", ["a", "a1_b", "a" * 64])
def test_a_name_has_its_form(name: str) -> None:
    assert definition(name=name).name == name


@pytest.mark.parametrize("name", ["", "A", "1a", "_a", "a-b", "a b", "a\n", "é", "a" * 65])
@pytest.mark.parametrize("where", ["name", "output"])
def test_a_name_without_the_form_is_refused(name: str, where: str) -> None:
    with pytest.raises(ValidationError):
        definition(name=name)
    with pytest.raises(ValidationError):
        with_step(**{where: name})


@pytest.mark.parametrize("key", ["text", "audioUrl", "_a", "A"])
def test_an_input_may_be_any_key_that_an_expression_can_name(key: str) -> None:
    assert with_step(input=key).steps[0].input == key


@pytest.mark.parametrize("key", ["", "1a", "a-b", "a b", "a\n", "é", "a.b", "a" * 65])
def test_an_input_that_no_expression_can_name_is_refused(key: str) -> None:
    with pytest.raises(ValidationError):
        with_step(input=key)


@pytest.mark.parametrize("version", ["0.0.1", "1.2.3", "1.0.0-rc.1", "1.0.0+build.5"])
def test_a_version_is_semantic(version: str) -> None:
    assert definition(version=version).version == version


@pytest.mark.parametrize("version", ["", "1", "1.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0\n"])
def test_a_version_that_is_not_semantic_is_refused(version: str) -> None:
    with pytest.raises(ValidationError):
        definition(version=version)


@pytest.mark.parametrize(
    "fields",
    [
        {"timeout": 0},
        {"timeout": 2_592_001},
        {"steps": []},
        {"steps": [STEP | {"name": f"s{number}"} for number in range(MAX_STEPS + 1)]},
        {"colour": "red"},
        {"max_cost_usd": "0"},
        {"on_budget_exceeded": "stop"},
    ],
)
def test_a_definition_out_of_bounds_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        definition(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"capability": "telepathy"},
        {"timeout": 0},
        {"retry": {"max_attempts": 0}},
        {"retry": {"initial_interval": 0}},
        {"retry": {"backoff_coefficient": 0.5}},
        {"retry": {"colour": 1}},
        {"fallback": {"max_fallbacks": -1}},
        {"needs": ["Other"]},
        {"for_each": ""},
        {"max_parallel": 0},
        {"on_refusal": "retry"},
    ],
)
def test_a_step_out_of_bounds_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        with_step(**fields)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"name": "redact", "output": "x"}, "There is a step 'redact' already"),
        ({"name": "other", "output": "redact"}, "made by step 'redact' already"),
    ],
)
def test_equal_names_are_refused_when_it_is_built(second: dict[str, str], message: str) -> None:
    pipeline = Pipeline("demo").step("redact").capability(Capability.PII_REDACTION).done()
    step = pipeline.step(second["name"]).capability(Capability.SUMMARIZATION)
    with pytest.raises(InvalidDefinition, match=message):
        step.output_as(second["output"]).done().build()


def test_a_definition_does_not_change() -> None:
    with pytest.raises(ValidationError):
        definition().name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("pipeline", PREDEFINED, ids=lambda pipeline: pipeline.name)
def test_a_definition_survives_json(pipeline: PipelineDefinition) -> None:
    text = pipeline.model_dump_json()
    assert PipelineDefinition.model_validate_json(text) == pipeline
    assert PipelineDefinition.model_validate(json.loads(text)) == pipeline


def test_the_dsl_writes_what_json_says() -> None:
    built = (
        Pipeline("demo")
        .version("2.1.0")
        .description("A demonstration")
        .timeout(60)
        .input_schema({"type": "object"})
        .output(short="summary.text")
        .step("summarize")
        .capability(Capability.SUMMARIZATION)
        .prefer_providers("openai", "local")
        .input_from("transcript")
        .output_as("summary")
        .params(max_sentences=2)
        .with_fallback(max_fallbacks=1)
        .with_retry(max_attempts=5, initial_interval=0.5)
        .timeout(10)
        .when("size(transcript) > 3")
        .optional()
        .done()
        .build()
    )
    assert built == PipelineDefinition.model_validate(
        {
            "name": "demo",
            "version": "2.1.0",
            "description": "A demonstration",
            "timeout": 60,
            "input_schema": {"type": "object"},
            "output": {"short": "summary.text"},
            "steps": [
                {
                    "name": "summarize",
                    "capability": "summarization",
                    "providers": ["openai", "local"],
                    "input": "transcript",
                    "output": "summary",
                    "params": {"max_sentences": 2},
                    "fallback": {"max_fallbacks": 1},
                    "retry": {"max_attempts": 5, "initial_interval": 0.5},
                    "timeout": 10,
                    "when": "size(transcript) > 3",
                    "optional": True,
                }
            ],
        }
    )


def test_the_dsl_keeps_the_order_of_the_steps() -> None:
    pipeline = Pipeline("demo")
    for name in ("c", "a", "b"):
        pipeline.step(name).capability(Capability.SUMMARIZATION).done()
    assert [step.name for step in pipeline.build().steps] == ["c", "a", "b"]


def test_a_step_without_a_capability_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match="'capability' is required"):
        Pipeline("demo").step("a").done().build()


def test_a_pipeline_without_steps_is_refused() -> None:
    with pytest.raises(InvalidDefinition, match="'steps' must be a list"):
        Pipeline("demo").build()


def test_what_is_built_is_refused_with_every_mistake() -> None:
    pipeline = Pipeline("Demo").timeout(0)
    pipeline.step("a").capability(Capability.SUMMARIZATION).with_retry(attempts=3).done()
    pipeline.step("b").capability(Capability.SUMMARIZATION).when("size(a.txt) > 3").done()
    with pytest.raises(InvalidDefinition) as caught:
        pipeline.build()
    assert [mistake.pointer for mistake in caught.value.mistakes] == [
        "/name",
        "/timeout",
        "/steps/0/retry/attempts",
        "/steps/1/when",
    ]


def test_the_catalogue_lists_by_name() -> None:
    names = [pipeline.name for pipeline in Catalogue().all()]
    assert names == ["call_analysis", "pii_detection", "transcription"]


def test_the_catalogue_finds_by_name_and_version() -> None:
    old, new = definition(version="1.0.0"), definition(version="1.1.0")
    catalogue = Catalogue([old, new])
    assert catalogue.get("demo") is new
    assert catalogue.get("demo", "1.0.0") is old


def test_what_the_catalogue_has_not_is_refused_with_what_it_has() -> None:
    catalogue = Catalogue([definition()])
    with pytest.raises(PipelineNotFound, match=r"'other'.*Known: demo\."):
        catalogue.get("other")
    with pytest.raises(PipelineNotFound, match=r"'9\.9\.9'.*Known: 1\.0\.0\."):
        catalogue.get("demo", "9.9.9")


def test_the_output_of_the_call_analysis_leaves_the_raw_transcript_out() -> None:
    context = {
        "transcript": {"text": "raw", "segments": [{"text": "raw"}]},
        "redacted": {"text": "red", "segments": [{"text": "red"}], "entities": []},
        "sentiment": {"label": "neutral"},
        "summary": None,
        "coaching": None,
    }
    output = {name: evaluate(cel, context) for name, cel in (CALL_ANALYSIS.output or {}).items()}
    assert output["transcript"] == [{"text": "red"}]
    assert "raw" not in json.dumps(output)
