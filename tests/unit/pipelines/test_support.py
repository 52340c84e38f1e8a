"""What this version would ignore is refused, every setting by its place."""

from typing import Any

import pytest

from pipelines.builder import Pipeline
from pipelines.errors import InvalidDefinition
from pipelines.model import PipelineDefinition
from pipelines.predefined import PREDEFINED
from pipelines.support import check_supported
from providers.types import Capability


def two_steps(second: dict[str, Any], **fields: Any) -> PipelineDefinition:
    definition = (
        Pipeline("two")
        .step("first")
        .capability(Capability.PII_REDACTION)
        .done()
        .step("second")
        .capability(Capability.SUMMARIZATION)
        .input_from("first")
        .done()
        .build()
    )
    first, last = definition.steps
    changed = last.model_copy(update=second)
    return definition.model_copy(update={"steps": (first, changed), **fields})


@pytest.mark.parametrize("definition", PREDEFINED, ids=lambda definition: definition.name)
def test_the_predefined_pipelines_are_supported(definition: PipelineDefinition) -> None:
    check_supported(definition)


@pytest.mark.parametrize("step", [{"needs": ("first",)}, {"needs": ()}, {"for_each": "[1]"}])
def test_what_runs_side_by_side_is_supported(step: dict[str, Any]) -> None:
    check_supported(two_steps(step))


@pytest.mark.parametrize(
    ("step", "fields", "pointer"),
    [
        ({"compensate": "delete_artifact"}, {}, "/steps/1/compensate"),
        ({"code": ("compensate",)}, {}, "/steps/1/compensate"),
        ({}, {"on_budget_exceeded": "pause"}, "/on_budget_exceeded"),
    ],
)
def test_a_setting_without_effect_is_refused(
    step: dict[str, Any], fields: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(InvalidDefinition) as caught:
        check_supported(two_steps(step, **fields))
    assert [mistake.pointer for mistake in caught.value.mistakes] == [pointer]
    owner = "step 'second' of pipeline" if step else "pipeline"
    assert f"of {owner} 'two@1.0.0' is not supported yet" in str(caught.value)
