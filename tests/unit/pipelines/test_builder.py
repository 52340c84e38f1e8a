"""The DSL's words: each writes the setting of the same meaning."""

from decimal import Decimal
from typing import Any

import pytest

from pipelines.builder import Pipeline, Step
from pipelines.errors import InvalidDefinition
from pipelines.model import PipelineDefinition, StepDefinition
from providers.types import Capability


def pipeline() -> Pipeline:
    """A pipeline with one step, so that a second one has something to follow."""
    first = Pipeline("demo").step("redact").capability(Capability.PII_REDACTION)
    return first.output_as("redacted").done()


def begun() -> Step:
    return pipeline().step("summarize").capability(Capability.SUMMARIZATION)


def built(step: Step) -> StepDefinition:
    return step.done().build().steps[-1]


def yes(_: dict[str, Any]) -> bool:
    return True


def no(_: dict[str, Any]) -> bool:
    return False


def test_after_names_what_must_have_ended() -> None:
    assert built(begun().input_from("redacted").after("redact")).needs == ("redact",)


def test_after_nothing_begins_at_once() -> None:
    assert built(begun().after()).needs == ()


def test_input_from_takes_a_key_or_fields() -> None:
    assert built(begun().input_from("redacted")).input == "redacted"
    step = built(begun().input_from(text="redacted.text", max_sentences="3"))
    assert step.input == {"text": "redacted.text", "max_sentences": "3"}
    assert built(begun().input_from(dict(step.input))).input == step.input


def test_params_are_keywords_or_a_mapping() -> None:
    step = begun().input_from("redacted")
    assert built(step.params({"text": "${redacted.text}"}, max_sentences=3)).params == {
        "text": "${redacted.text}",
        "max_sentences": 3,
    }


def test_input_from_takes_one_of_both() -> None:
    with pytest.raises(TypeError, match="one key of the context, or fields"):
        begun().input_from()
    with pytest.raises(TypeError, match="one key of the context, or fields"):
        begun().input_from("redacted", text="redacted.text")


def test_for_each_has_its_bounds_beside_it() -> None:
    step = built(
        begun()
        .for_each("redacted.entities", max_parallel=3, on_item_error="collect")
        .input_from(text="item.type")
    )
    assert (step.for_each, step.max_parallel, step.on_item_error) == (
        "redacted.entities",
        3,
        "collect",
    )


def test_a_refusal_and_a_compensation_are_settings() -> None:
    step = built(
        begun().input_from("redacted").on_refusal("fallback").compensate_with("delete_artifact")
    )
    assert (step.on_refusal, step.compensate) == ("fallback", "delete_artifact")


def test_money_is_a_setting_of_the_pipeline() -> None:
    found = pipeline().max_cost("0.50").on_budget_exceeded("pause").build()
    assert (found.max_cost_usd, found.on_budget_exceeded) == (Decimal("0.50"), "pause")


def test_functions_are_named_in_the_definition_and_kept_beside_it() -> None:
    found = begun().input_from("redacted").compensate_with(no).when(yes).done().build()
    step = found.steps[-1]
    assert (step.when, step.compensate, step.code) == (None, None, ("when", "compensate"))
    assert found.functions == {("summarize", "when"): yes, ("summarize", "compensate"): no}


def test_functions_do_not_travel() -> None:
    found = begun().input_from("redacted").when(yes).done().build()
    travelled = PipelineDefinition.model_validate_json(found.model_dump_json())
    assert travelled.steps == found.steps
    assert travelled.functions == {}


def test_the_last_condition_counts() -> None:
    step = begun().input_from("redacted").when(yes).when("size(redacted.text) > 3")
    found = step.done().build()
    assert (found.steps[-1].when, found.steps[-1].code) == ("size(redacted.text) > 3", ())
    assert found.functions == {}
    again = built(begun().input_from("redacted").when("size(redacted.text) > 3").when(yes))
    assert (again.when, again.code) == (None, ("when",))


def test_a_built_pipeline_does_not_change_when_the_builder_goes_on() -> None:
    builder = begun().input_from("redacted").when(yes).done()
    before = builder.build()
    builder.step("again").capability(Capability.SUMMARIZATION).input_from("redacted").when(
        no
    ).done()
    assert builder.build().functions != before.functions
    assert set(before.functions) == {("summarize", "when")}


def test_what_can_never_run_is_refused_when_it_is_built() -> None:
    with pytest.raises(InvalidDefinition, match="txt"):
        begun().input_from("redacted").when("size(redacted.txt) > 3").done().build()
