"""Whether a step's `params` and `input` can make a request of its capability."""

import json
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

from pipelines.checking.cel_types import describe, fields_of
from pipelines.checking.feeding import passed_by
from pipelines.checking.findings import Finding, Path
from pipelines.checking.input_schemas import response_schema_findings
from pipelines.checking.shape import parse
from pipelines.checking.wording import found
from pipelines.vocabulary import hint
from providers.types import REQUESTS, Capability

# Of these a request that has both needs at least one; of the first pair no more than one.
_EITHER = (("prompt", "messages"), ("text", "segments"))


def field_findings(
    capability: Capability, given: Mapping[str, Any], path: Path
) -> Iterator[Finding]:
    """Find keys of `params` or of an `input` mapping that the request doesn't have."""
    fields = REQUESTS[capability].model_fields
    for name in given:
        if name not in fields:
            yield Finding((*path, name), partial(_no_field, capability, name), at_key=True)


def _no_field(capability: Capability, name: str) -> str:
    return f"{capability} takes no {found(name)}.{hint(name, REQUESTS[capability].model_fields)}"


def constant_findings(
    capability: Capability, params: Mapping[str, Any], path: Path
) -> Iterator[Finding]:
    """Find constants of the wrong type; what holds a template has its type when it is filled."""
    model = REQUESTS[capability]
    given = {name: value for name, value in params.items() if name in model.model_fields}
    parsed = parse(given, model)
    for finding in parsed if isinstance(parsed, list) else []:
        inside = finding.path
        if not inside or (len(inside) == 1 and inside[0] not in given):
            continue  # what is missing may come from the input
        if "${" not in json.dumps(_at(given, inside)):
            yield Finding((*path, *inside), finding.message, at_key=finding.at_key)
    schema = given.get("response_schema")
    if isinstance(schema, dict) and "${" not in json.dumps(schema):
        yield from response_schema_findings(schema, (*path, "response_schema"))


def _at(value: Any, path: Path) -> Any:
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError):
            return None
    return value


def key_findings(
    capability: Capability, name: str, kind: str, params: Collection[str], path: Path
) -> Iterator[Finding]:
    """Find what makes a key of the context no input of a step.

    Args:
        capability: Of the step.
        name: The key.
        kind: The type of its value.
        params: The names of the fields that are given anyway.
        path: Of the step.
    """
    passing = passed_by(capability, name, kind, params)
    if passing is None:
        return
    if passing.wrong:
        yield Finding((*path, "input"), passing.wrong, 0)
    elif message := lacking(capability, passing.fields.union(params)):
        fields = ", ".join(fields_of(kind))
        given = f"'{name}' is {describe(kind)}, which has {fields}. " if fields else ""
        yield Finding((*path, "input"), passing.dropped or given + message, 0)


def lacking(capability: Capability, given: set[str]) -> str | None:
    """Say which field no request of this capability can do without."""
    fields = REQUESTS[capability].model_fields
    if given - fields.keys():
        return None  # a misspelt one may be meant
    for name, info in fields.items():
        if info.is_required() and name not in given:
            return f"{capability} needs '{name}': give it by 'input' or 'params'."
    for one, other in _EITHER:
        if {one, other} <= fields.keys() and not {one, other} & given:
            return f"{capability} needs '{one}' or '{other}': give it by 'input' or 'params'."
        if one == "prompt" and {one, other} <= given:
            return f"{capability} takes '{one}' or '{other}', not both."
    return None
