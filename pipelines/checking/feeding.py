"""Whether a value of a known type can be what a field of a request takes.

A run validates its requests as pydantic does, which turns one scalar into another here and there;
only what it refuses whatever the value is counts as wrong here, so that nothing is refused that
could run. A list is taken to have items: that an empty one of any kind fits helps nobody.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pipelines.checking.cel_types import PACKAGE, describe, is_value, model_of
from pipelines.checking.findings import Path
from providers.types import REQUESTS, Capability, Value

# What expressions have and JSON has not: a run refuses such a value, whatever takes it.
_NEVER = {"BYTES", "TIMESTAMP", "DURATION", "TYPE"}
_KEYED = re.compile(r"MAP<(?:INT|UINT|DOUBLE|BOOL)\b")
_NUMERIC = {"INT", "UINT", "DOUBLE", "BOOL", "STRING"}
_PLAIN = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True, slots=True)
class Passing:
    """What a step's request gets from the context.

    Attributes:
        fields: The fields that are given.
        wrong: Why one that is surely given can't be taken.
        dropped: Why one that may be null, and is left out then, can't be taken otherwise.
    """

    fields: set[str]
    wrong: str | None = None
    dropped: str | None = None


def never_json(kind: str) -> str | None:
    """Say what in a value of this type no run can write as JSON; none where there is nothing."""
    if never := next((word for word in re.findall(r"\w+", kind) if word in _NEVER), None):
        return describe(never)
    return "a mapping whose keys are not text" if _KEYED.search(kind) else None


def misfit(capability: Capability, path: Path, kind: str, giver: str = "this") -> str | None:
    """Say why a value of this type can't stand in a request; none when it may.

    Args:
        capability: Whose request it is.
        path: Of the place in the request: a field's name, and what lies inside it.
        kind: The type, as the compiler names it.
        giver: What the value comes from.
    """
    annotation = _annotation_at(REQUESTS[capability], path)
    if _may_be(kind, annotation):
        return None
    key = next(str(part) for part in reversed(path) if isinstance(part, str))
    subject = f"Each item of '{key}'" if isinstance(path[-1], int) else f"'{key}'"
    items = _items_of(annotation)
    if items and kind.startswith("LIST"):
        subject, annotation, kind = f"Each item of '{key}'", items, _item(kind)
    return f"{subject} must be {_said(annotation)}, {giver} gives {describe(kind)}."


def passed_by(
    capability: Capability, name: str, kind: str, params: Collection[str]
) -> Passing | None:
    """Tell what `input: name` gives to the request, where `params` win.

    Args:
        capability: Whose request it is.
        name: The key of the context.
        kind: The type of its value.
        params: The names of the fields that are given anyway.

    Returns:
        None where the value's fields aren't known.
    """
    if model := model_of(kind):
        return _passed_by_object(capability, name, model, params)
    if kind == "DYN" or kind.startswith(("MAP", PACKAGE)):
        return None
    first = next(iter(REQUESTS[capability].model_fields))
    wrong = None if first in params else misfit(capability, (first,), kind, f"'{name}'")
    return Passing({first}, wrong)


def passed_by_names(capability: Capability, kinds: Mapping[str, str]) -> Passing:
    """Tell what the request gets where it takes its fields from the context by their names.

    Args:
        capability: Whose request it is.
        kinds: The types of what is in the context.
    """
    names = [name for name in REQUESTS[capability].model_fields if name in kinds]
    wrong = {name: misfit(capability, (name,), kinds[name], "the context") for name in names}
    return Passing(
        {name for name in names if wrong[name] is None},
        dropped=next(filter(None, wrong.values()), None),
    )


def _passed_by_object(
    capability: Capability, name: str, model: type[Value], params: Collection[str]
) -> Passing:
    passed: set[str] = set()
    wrong = dropped = None
    for field in REQUESTS[capability].model_fields:
        if field not in model.model_fields or field in params:
            continue
        annotation = model.model_fields[field].annotation
        message = misfit(capability, (field,), _kind_of(annotation), f"'{name}.{field}'")
        if message and NoneType in _branches(annotation):
            dropped = dropped or message
        else:
            passed.add(field)
            wrong = wrong or message
    return Passing(passed, wrong, dropped)


def _annotation_at(model: type[Value], path: Path) -> Any:
    annotation: Any = model
    for part in path:
        found: Any = Any
        for one in _branches(annotation):
            if isinstance(part, int) and get_origin(one) is tuple:
                found = get_args(one)[0]
            elif is_value(one) and part in one.model_fields:
                found = one.model_fields[part].annotation
        annotation = found
    return annotation


def _branches(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,)


def _may_be(kind: str, annotation: Any) -> bool:
    if kind == "DYN" or annotation is Any:
        return True
    return kind.partition("<")[0] not in _NEVER and any(
        _fits(kind, one) for one in _branches(annotation)
    )


def _fits(kind: str, annotation: Any) -> bool:
    if annotation is NoneType:
        return kind == "NULL"
    if annotation is str or get_origin(annotation) is Literal:
        return kind == "STRING"
    if annotation in _PLAIN:
        return kind in _NUMERIC
    if get_origin(annotation) is tuple:
        return kind.startswith("LIST") and _may_be(_item(kind), get_args(annotation)[0])
    model = model_of(kind)
    if is_value(annotation) and model:
        return _same_keys(model, annotation)
    return kind.startswith(("MAP", PACKAGE))


def _same_keys(given: type[Value], taken: type[Value]) -> bool:
    """Whether what is always given is known, and what is always needed is given."""
    always, needed = (
        {name for name, info in model.model_fields.items() if info.is_required()}
        for model in (given, taken)
    )
    return always <= taken.model_fields.keys() and needed <= given.model_fields.keys()


def _kind_of(annotation: Any) -> str:
    """Name the type of a response's field as the compiler does."""
    one, *others = (part for part in _branches(annotation) if part is not NoneType)
    if others:
        return "DYN"
    if get_origin(one) is tuple:
        return f"LIST<{_kind_of(get_args(one)[0])}>"
    if get_origin(one) is Literal:
        return "STRING"
    if is_value(one):
        return f"{PACKAGE}.{one.__name__}"
    return {str: "STRING", float: "DOUBLE", int: "INT", bool: "BOOL"}.get(one, "DYN")


def _item(kind: str) -> str:
    return kind.removeprefix("LIST<").removesuffix(">")


def _items_of(annotation: Any) -> Any:
    lists = (one for one in _branches(annotation) if get_origin(one) is tuple)
    return next((get_args(one)[0] for one in lists), None)


def _said(annotation: Any) -> str:
    return " or ".join(_named(one) for one in _branches(annotation) if one is not NoneType)


def _named(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return f"one of {', '.join(get_args(annotation))}"
    if get_origin(annotation) is tuple:
        return "a list"
    if is_value(annotation):
        return describe(f"{PACKAGE}.{annotation.__name__}")
    return _PLAIN.get(annotation, "a mapping")
