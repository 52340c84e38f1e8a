"""The JSON Schema of a definition, as an editor uses it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pipelines.document import read_yaml
from pipelines.model import PipelineDefinition, StepDefinition
from pipelines.predefined import PREDEFINED
from pipelines.schema import definition_schema, value_schema
from pipelines.text import to_json
from providers.types import REQUESTS, RESPONSES, Capability, Value

VALIDATOR = Draft202012Validator(definition_schema())
STEP = {"name": "a", "capability": "summarization"}


def test_it_is_a_schema() -> None:
    schema = definition_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"]
    assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize("pipeline", PREDEFINED, ids=lambda pipeline: pipeline.name)
def test_what_is_predefined_fits(pipeline: PipelineDefinition) -> None:
    VALIDATOR.validate(json.loads(to_json(pipeline)))


def test_a_whole_definition_fits() -> None:
    text = """
        name: demo
        version: 1.0.0-rc.1
        timeout: 600
        max_cost_usd: "0.50"
        on_budget_exceeded: pause
        input_schema: {type: object}
        steps:
          - {name: a, capability: pii_redaction, input: text, needs: [], optional: true}
          - name: b
            capability: llm_generation
            providers: [openai]
            fallback: {max_fallbacks: 0}
            retry: {max_attempts: 1, initial_interval: 0.5, max_interval: 1}
            timeout: 1.5
            input: {prompt: item.text}
            output: c
            params: {max_output_tokens: 3}
            when: 'true'
            for_each: a.entities
            max_parallel: 2
            on_item_error: collect
            compensate: delete_artifact
            on_refusal: fallback
        output: {c: 'c[0].text'}
    """
    VALIDATOR.validate(read_yaml(text).value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"colour": "red"},
        {"version": 1.0},
        {"timeout": 0},
        {"steps": []},
        {"steps": [STEP | {"colour": "red"}]},
        {"steps": [STEP | {"capability": "telepathy"}]},
        {"steps": [STEP | {"retry": {"attempts": 3}}]},
        {"steps": [STEP | {"fallback": {"attempts": 3}}]},
        {"steps": [STEP | {"input": {"Text": "a"}}]},
        {"steps": [STEP | {"code": ["when"]}]},
        {"output": {"Text": "a"}},
        {"steps": [STEP | {"input": {"txt": "a"}}]},
        {"steps": [STEP | {"params": {"max_sentence": 3}}]},
        {"steps": [STEP | {"params": {"max_sentences": "three"}}]},
        {"steps": [STEP | {"params": {"max_sentences": 0}}]},
        {"steps": [STEP | {"capability": "pii_redaction", "params": {"mode": "hide"}}]},
    ],
    ids=str,
)
def test_what_is_wrong_does_not_fit(wrong: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid({"name": "demo", "steps": [STEP]})
    assert not VALIDATOR.is_valid({"name": "demo", "steps": [STEP]} | wrong)


@pytest.mark.parametrize(
    ("capability", "params"),
    [
        ("summarization", {"text": "a ${b}", "max_sentences": "${size(b)}"}),
        ("summarization", {"max_sentences": None}),
        ("pii_redaction", {"mode": "${mode}", "entities": ["${a}"], "segments": "${b.segments}"}),
        ("llm_generation", {"messages": [{"role": "${a}", "content": "b"}], "response_schema": {}}),
    ],
)
def test_a_text_that_gives_a_fields_value_stands_for_it(
    capability: str, params: dict[str, Any]
) -> None:
    step = STEP | {"capability": capability, "params": params}
    VALIDATOR.validate({"name": "demo", "steps": [step]})


def test_an_editor_knows_what_each_capability_is_asked() -> None:
    branches = definition_schema()["$defs"]["StepDefinition"]["allOf"]
    for capability, branch in zip(Capability, branches, strict=True):
        assert branch["if"]["properties"] == {"capability": {"const": capability}}
        params = branch["then"]["properties"]["params"]["properties"]
        assert list(params) == list(REQUESTS[capability].model_fields)
        assert all(param["description"] for param in params.values())


def test_an_editor_shows_every_setting_with_its_description() -> None:
    schema = definition_schema()
    assert set(schema["properties"]) == set(PipelineDefinition.model_fields)
    step = schema["$defs"]["StepDefinition"]
    assert set(step["properties"]) == set(StepDefinition.model_fields) - {"code"}
    assert schema["$defs"]["Capability"]["enum"] == list(Capability)
    models = dict(owners(schema))
    assert {"", "FallbackPolicy", "RetryPolicy", "StepDefinition"} <= models.keys()
    for name, owner in models.items():
        assert owner["description"], name
        lacking = [key for key, node in owner["properties"].items() if "description" not in node]
        assert (name, lacking) == (name, [])


def owners(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "", schema
    yield from ((name, node) for name, node in schema["$defs"].items() if "properties" in node)


@pytest.mark.parametrize("model", dict.fromkeys([*REQUESTS.values(), *RESPONSES.values()]))
def test_every_field_of_a_capability_is_described(model: type[Value]) -> None:
    schema = value_schema(model)
    for node in (schema, *schema.get("$defs", {}).values()):
        assert node["description"]
        assert "Attributes:" not in node["description"]
        lacking = [key for key, field in node["properties"].items() if "description" not in field]
        assert lacking == []
