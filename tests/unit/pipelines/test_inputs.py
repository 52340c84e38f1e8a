import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from referencing.exceptions import Unresolvable

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


def test_a_key_that_could_not_stand_in_the_context_is_refused() -> None:
    assert mistakes({}, {"in": 1, "item": 2, "transcript": "x", "text": "y"}) == {
        "/in": "'in' is reserved in expressions and can't be a key of the input.",
        "/item": "'item' is reserved in expressions and can't be a key of the input.",
        "/transcript": "'transcript' would be hidden by the output of step 'transcribe'.",
    }


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
    [
        ({}, "an object"),
        ([], "an array"),
        ("x", "a string"),
        (True, "true or false"),
        (None, "null"),
    ],
)
def test_a_wrong_type_is_told_by_both_names(value: Any, kind: str) -> None:
    schema = {"properties": {"a": {"type": ["integer", "number"]}}}
    assert mistakes(schema, {"a": value}) == {
        "/a": f"'a' must be a whole number or a number, got {kind}."
    }


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ({"enum": ["a", 1]}, PRIVATE),
        ({"const": "a"}, PRIVATE),
        ({"maxProperties": 0}, {"b": PRIVATE}),
        ({"dependentRequired": {"b": ["c"]}}, {"b": PRIVATE}),
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
    assert found["/a"].startswith("'a' ")
    assert "4111" not in found["/a"]
    assert "{" not in found["/a"]


@pytest.mark.parametrize("value", ["", [], {}])
def test_what_must_not_be_empty_is_told_so(value: Any) -> None:
    schema = {"properties": {"a": {"minLength": 1, "minItems": 1, "minProperties": 1}}}
    assert mistakes(schema, {"a": value}) == {"/a": "'a' must not be empty."}


def test_a_place_inside_is_named_by_the_keys_that_lead_there() -> None:
    schema = {"properties": {"a": {"items": {"properties": {"b": {"type": "string"}}}}}}
    assert mistakes(schema, {"a": [{"b": 7}]}) == {
        "/a/0/b": "'a.0.b' must be a string, got a number."
    }


def test_a_misspelt_key_is_told_the_nearest_one() -> None:
    schema = {"additionalProperties": False, "properties": {"language": {}, "text": {}}}
    (message,) = mistakes(schema, {"langage": 1}).values()
    assert message.startswith("There is no key 'langage'. Did you mean 'language'?")


def test_a_key_that_a_pattern_allows_is_known() -> None:
    schema = {"additionalProperties": False, "patternProperties": {"^x_": {}}}
    assert "'y'" in mistakes(schema, {"x_1": 1, "y": 1})[""]


def test_a_long_key_is_not_repeated_whole() -> None:
    schema = {"additionalProperties": False}
    assert len(mistakes(schema, {"k" * 5000: 1})[""]) < 200


def test_thousands_of_mistakes_are_not_all_told() -> None:
    schema = {"properties": {"a": {"items": {"type": "string"}}}}
    assert len(mistakes(schema, {"a": list(range(5000))})) == 20


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


class SchemaServer(HTTPServer):
    """Answers with a schema that anything fits, and keeps what was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[str] = []


class Answer(BaseHTTPRequestHandler):
    server: SchemaServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")


def test_a_reference_out_of_the_schema_is_never_fetched() -> None:
    with SchemaServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        schema = {"properties": {"a": {"$ref": f"http://127.0.0.1:{server.server_port}/a"}}}
        try:
            with pytest.raises(Unresolvable):
                check_input(definition(schema), {"a": 1})
        finally:
            server.shutdown()
            thread.join()
        assert server.asked == []
