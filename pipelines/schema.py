"""The JSON Schema of a definition: what an editor completes and checks YAML with.

Generated from the model, and said in the words of the models' docstrings. What `params` and `input`
may hold follows from the step's capability, and is generated from its request.
"""

import inspect
import re
from typing import Any

from pydantic import BaseModel

from pipelines.model import FallbackPolicy, PipelineDefinition, RetryPolicy, StepDefinition
from providers.types import REQUESTS, Capability

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MODELS: tuple[type[BaseModel], ...] = (RetryPolicy, FallbackPolicy, StepDefinition)
# Of a field's own schema; what lies deeper may hold templates too.
_LOOKED_AT = frozenset({"type", "enum", "minimum", "maximum"})
_TEMPLATE = {"type": "string", "pattern": r"\$\{"}
_ATTRIBUTE = re.compile(r"(\w+): (.+)")


def definition_schema() -> dict[str, Any]:
    """Return the schema of a definition as it is written in YAML or JSON."""
    schema = described(PipelineDefinition.model_json_schema(), PipelineDefinition)
    definitions = schema.pop("$defs")
    for model in _MODELS:
        definitions[model.__name__] = described(definitions[model.__name__], model)
    definitions["StepDefinition"]["allOf"] = [_asked(capability) for capability in Capability]
    tidy: dict[str, Any] = _tidy(schema | {"$defs": definitions})
    return {"$schema": _DIALECT, "title": "Pipeline definition"} | tidy


def _asked(capability: Capability) -> dict[str, Any]:
    """Return what a step of this capability may say about its request."""
    model = REQUESTS[capability]
    fields = described(model.model_json_schema(), model)["properties"]
    params = {name: _param(node) for name, node in fields.items()}
    return {
        "if": {"properties": {"capability": {"const": capability}}, "required": ["capability"]},
        "then": {
            "properties": {
                "params": {"properties": params, "additionalProperties": False},
                "input": {"propertyNames": {"enum": list(fields)}},
            }
        },
    }


def _param(node: dict[str, Any]) -> dict[str, Any]:
    """Return what stands for a field: its value, or a text with `${…}` that gives it."""
    branches = [
        {key: value for key, value in branch.items() if key in _LOOKED_AT}
        for branch in node.get("anyOf", [node])
    ]
    if {"type": "string"} not in branches:
        branches.append(_TEMPLATE)
    return {"description": node["description"], "anyOf": branches}


def described(schema: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Take the descriptions of a model's own schema from its docstring."""
    return _described(schema, inspect.getdoc(model) or "")


def value_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of a request or a response, for those who make or read one."""
    schema = model.model_json_schema()
    for node in (schema, *schema.get("$defs", {}).values()):
        _described(node, node.get("description", ""))
    tidy: dict[str, Any] = _tidy(schema)
    return tidy


def _described(schema: dict[str, Any], text: str) -> dict[str, Any]:
    about, _, attributes = text.partition("\n\nAttributes:\n")
    schema["description"] = about.partition("\n\n")[0].replace("\n", " ")
    for name, description in _attributes(attributes).items():
        if name in schema["properties"]:
            schema["properties"][name]["description"] = description
    return schema


def _attributes(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc(text).splitlines():
        if match := _ATTRIBUTE.match(line):
            name = match[1]
            found[name] = match[2]
        elif name:
            found[name] += f" {line.strip()}"
    return found


def _tidy(node: Any) -> Any:
    """Leave out the titles that only repeat the keys; refuse keys that are no names."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidy = {
        key: {name: _tidy(child) for name, child in value.items()}
        if key in {"properties", "$defs"}
        else _tidy(value)
        for key, value in node.items()
        if key != "title" and not (key == "default" and value is None)
    }
    if "patternProperties" in tidy:
        tidy["additionalProperties"] = False
    return tidy
