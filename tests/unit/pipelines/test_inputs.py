from typing import Any

import pytest

from pipelines.errors import InvalidInput, pointer_to
from pipelines.inputs import check_input
from pipelines.model import PipelineDefinition
from pipelines.predefined import PREDEFINED, TRANSCRIPTION

PRIVATE = "Jane-4111-1111"


def definition(schema: dict[str, Any]) -> PipelineDefinition:
    return TRANSCRIPTION.model_copy(update={"input_schema": schema})


def mistakes(schema: dict[str, Any], value: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidInput) as caught:
        check_input(definition(schema), value)
    return {mistake.pointer: mistake.message for mistake in caught.value.mistakes}


def test_what_fits_is_accepted() -> None:
    check_input(TRANSCRIPTION, {"audio_url": "https://example.com/a.wav", "language": "en"})


@pytest.mark.parametrize("pipeline", PREDEFINED, ids=lambda pipeline: pipeline.name)
def test_every_predefined_pipeline_needs_its_input(pipeline: PipelineDefinition) -> None:
    with pytest.raises(InvalidInput):
        check_input(pipeline, {})


def test_what_is_missing_is_named_with_what_it_takes() -> None:
    schema = {
        "required": ["url", "n"],
        "properties": {"url": {"description": "an address"}},
    }
    assert mistakes(schema, {}) == {
        "/url": "'url' is required. It takes an address.",
        "/n": "'n' is required.",
    }


def test_an_unknown_key_is_named_with_the_known_ones() -> None:
    schema = {"additionalProperties": False, "properties": {"a": {}, "b": {}}}
    (message,) = mistakes(schema, {"c": PRIVATE}).values()
    assert "'c'" in message
    assert "Known keys: a, b." in message
    assert PRIVATE not in message


@pytest.mark.parametrize(
    ("value", "kind"),
    [({}, "object"), ([], "array"), ("x", "string"), (True, "boolean"), (None, "null")],
)
def test_a_wrong_type_is_told_by_both_names(value: Any, kind: str) -> None:
    schema = {"properties": {"a": {"type": ["integer", "number"]}}}
    assert mistakes(schema, {"a": value}) == {"/a": f"Expected integer or number, got {kind}."}


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ({"enum": ["a"]}, PRIVATE),
        ({"const": "a"}, PRIVATE),
        ({"pattern": "^x"}, PRIVATE),
        ({"maxLength": 3}, PRIVATE),
        ({"maximum": 3}, 41111111),
        ({"format": "x", "minLength": 99}, PRIVATE),
        ({"anyOf": [{"type": "integer"}, {"maxLength": 3}]}, PRIVATE),
        ({"not": {}}, PRIVATE),
        ({"maxItems": 0}, [PRIVATE]),
        ({"uniqueItems": True}, [PRIVATE, PRIVATE]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_was_expected_is_told_and_never_what_was_there(
    rule: dict[str, Any], value: Any
) -> None:
    found = mistakes({"properties": {"a": rule}}, {"a": value})
    assert list(found) == ["/a"]
    assert found["/a"].startswith("Expected ")
    assert "4111" not in found["/a"]


def test_pointers_lead_into_nested_values() -> None:
    schema = {
        "properties": {"a": {"items": {"required": ["b/c"], "properties": {"b/c": {}}}}},
    }
    assert list(mistakes(schema, {"a": [{"b/c": 1}, {}]})) == ["/a/1/b~1c"]


def test_every_mistake_is_listed_once_in_order() -> None:
    schema = {
        "allOf": [{"required": ["b"]}, {"required": ["b", "a"]}],
        "properties": {"c": {"type": "string"}},
    }
    assert list(mistakes(schema, {"c": 1})) == ["/a", "/b", "/c"]


def test_a_pointer_is_escaped() -> None:
    assert pointer_to(["a/b", 0, "~1", ""]) == "/a~1b/0/~01/"
    assert pointer_to([]) == ""
