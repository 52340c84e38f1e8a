"""`/validate` and `/schema`."""

import httpx2
import pytest
from jsonschema import Draft202012Validator

from pipelines.predefined import PREDEFINED
from pipelines.text import to_json, to_yaml
from tests.problems import problem_of
from tests.unit.pipelines.test_check import INSIGHTS

YAML = {"Content-Type": "application/yaml"}
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("definition", PREDEFINED, ids=lambda definition: definition.name)
async def test_a_predefined_pipeline_is_valid_in_yaml_and_in_json(
    door: httpx2.AsyncClient, definition: object
) -> None:
    for write, headers in ((to_yaml, YAML), (to_json, JSON)):
        answer = await door.post("/validate", content=write(definition), headers=headers)  # type: ignore[arg-type]
        assert answer.json() == {"valid": True, "errors": []}


async def test_every_mistake_is_told_with_its_place(door: httpx2.AsyncClient) -> None:
    text = "name: calls\nsteps:\n  - name: first\n    capability: sumarization\n    colour: red\n"
    answer = await door.post("/validate", content=text, headers=YAML)
    assert answer.status_code == 200
    body = answer.json()
    assert body["valid"] is False
    assert [(error["pointer"], error["line"], error["column"]) for error in body["errors"]] == [
        ("/steps/0/capability", 4, 17),
        ("/steps/0/colour", 5, 5),
    ]
    assert "Did you mean 'summarization'?" in body["errors"][0]["message"]


async def test_a_provider_that_is_not_there_is_a_mistake(door: httpx2.AsyncClient) -> None:
    text = "name: a\nsteps: [{name: b, capability: summarization, providers: [locall]}]\n"
    (error,) = (await door.post("/validate", content=text, headers=YAML)).json()["errors"]
    assert error["pointer"] == "/steps/0/providers/0"
    assert "local" in error["message"]


async def test_the_example_of_the_specification_is_valid(door: httpx2.AsyncClient) -> None:
    answer = await door.post("/validate", content=INSIGHTS, headers=YAML)
    assert answer.json() == {"valid": True, "errors": []}


async def test_what_is_nested_too_deeply_is_malformed_json_and_invalid_yaml(
    door: httpx2.AsyncClient,
) -> None:
    text = "[" * 65 + "]" * 65
    problem_of(await door.post("/validate", content=text, headers=JSON), 400, "malformed")
    answer = await door.post("/validate", content=text, headers=YAML)
    assert (answer.status_code, answer.json()["valid"]) == (200, False)


async def test_a_text_that_is_no_yaml_is_invalid(door: httpx2.AsyncClient) -> None:
    answer = await door.post("/validate", content="a: [", headers=YAML)
    assert answer.json()["valid"] is False


async def test_a_definition_above_the_limit_is_413(door: httpx2.AsyncClient) -> None:
    answer = await door.post("/validate", content=b"#" * ((1 << 20) + 1), headers=YAML)
    problem_of(answer, 413, "too_large")


async def test_another_media_type_is_415(door: httpx2.AsyncClient) -> None:
    answer = await door.post("/validate", content="a", headers={"Content-Type": "text/plain"})
    problem_of(answer, 415, "unsupported_media_type")


async def test_the_schema_accepts_what_is_valid_and_refuses_unknown_keys(
    door: httpx2.AsyncClient,
) -> None:
    validator = Draft202012Validator((await door.get("/schema")).json())
    step = {"name": "a", "capability": "summarization"}
    assert validator.is_valid({"name": "a", "steps": [step]})
    assert not validator.is_valid({"name": "a", "steps": [step | {"colour": "red"}]})
