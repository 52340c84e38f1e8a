"""The JSON Schema of a definition: what an editor completes and checks YAML with.

Generated from the model, and said in the words of the model's docstrings.
"""

import inspect
import re
from typing import Any

from pydantic import BaseModel

from pipelines.model import FallbackPolicy, PipelineDefinition, RetryPolicy, StepDefinition

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MODELS: tuple[type[BaseModel], ...] = (RetryPolicy, FallbackPolicy, StepDefinition)
_ATTRIBUTE = re.compile(r"(\w+): (.+)")


def definition_schema() -> dict[str, Any]:
    """Return the schema of a definition as it is written in YAML or JSON."""
    schema = described(PipelineDefinition.model_json_schema(), PipelineDefinition)
    definitions = schema.pop("$defs")
    for model in _MODELS:
        definitions[model.__name__] = described(definitions[model.__name__], model)
    tidy: dict[str, Any] = _tidy(schema | {"$defs": definitions})
    return {"$schema": _DIALECT, "title": "Pipeline definition"} | tidy


def described(schema: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Take the descriptions of a model's own schema from its docstring."""
    text = inspect.getdoc(model) or ""
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
