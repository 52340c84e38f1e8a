"""Whether a step's `params` and `input` can make a request of its capability."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from cel_expr_python import cel

from pipelines.checking.cel_types import fields_of
from pipelines.checking.findings import Finding, Path
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


def _at(value: Any, path: Path) -> Any:
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError):
            return None
    return value


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


def passed_by(capability: Capability, kind: cel.Type) -> set[str] | None:
    """Tell which fields of the request a value of this type passes; none when it can't be told."""
    fields = list(REQUESTS[capability].model_fields)
    name = kind.name()
    if response := fields_of(name):
        return set(fields).intersection(response)
    return None if name == "DYN" or name.startswith("MAP") else {fields[0]}
