"""What is wrong with a document's form: keys, types and bounds, by the model itself.

The model's own validation finds the mistakes; this module says them in plain words.
"""

import math
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, to_json

from pipelines.checking.findings import MAX_FOUND, Finding, Path
from pipelines.checking.wording import NAME_FORM, Schema, below, branches, expected, found
from pipelines.vocabulary import hint
from providers.types import Capability

MAX_TEXT = 100_000
"""Characters of one text, in a step's `params` above all."""

_Model = TypeVar("_Model", bound=BaseModel)
_ITEMS = {"steps": "A step", "needs": "A need", "providers": "A provider"}


def odd_values(value: Any, path: Path = ()) -> Iterator[Finding]:
    """Find what JSON or the runtime can't hold: endless numbers, broken text, very long text."""
    match value:
        case float() if not math.isfinite(value):
            yield Finding(path, "The number is too large.")
        case str():
            yield from _odd_text(value, path)
        case dict():
            for key, child in value.items():
                if _is_broken(key):
                    yield Finding(path, "A key holds half a character (a lone surrogate).")
                elif "\0" in key:
                    yield Finding(path, "A key holds the character U+0000.")
                else:
                    yield from odd_values(child, (*path, key))
        case list():
            for index, child in enumerate(value):
                yield from odd_values(child, (*path, index))


def _odd_text(text: str, path: Path) -> Iterator[Finding]:
    if _is_broken(text):
        yield Finding(path, "The text holds half a character (a lone surrogate).")
    elif "\0" in text:
        yield Finding(path, "The text holds the character U+0000, at which expressions end a text.")
    elif len(text) > MAX_TEXT:
        yield Finding(path, f"A text has at most {MAX_TEXT} characters; found {len(text)}.")


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


@lru_cache
def schema_of(model: type[BaseModel]) -> Schema:
    """Return the model's JSON Schema; not to be changed."""
    return model.model_json_schema()


def parse(value: Any, model: type[_Model]) -> _Model | list[Finding]:
    """Validate plain data against a model, without turning one type into another.

    Returns:
        The model's value, or everything that is wrong with the form.
    """
    try:
        return model.model_validate_json(to_json(value), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    root = schema_of(model)
    every = (_finding(detail, value, root) for detail in details[: 2 * MAX_FOUND])
    return list({finding.path: finding for finding in every if finding}.values())


def _finding(detail: ErrorDetails, value: Any, root: Schema) -> Finding | None:
    """Translate one error; none for the branch of a union that wasn't meant."""
    kind = detail["type"]
    path: Path = ()
    node = owner = root
    for part in detail["loc"]:
        if _has(value, part):
            owner, node, value = node, below(node, part, root), value[part]
            path = (*path, part)
        elif kind == "missing":
            path = (*path, part)
        elif part == "[key]":
            message = f"A key must be {NAME_FORM}, found {found(path[-1])}."
            return Finding(path, message, at_key=True)
        elif _is_other_branch(str(part), value):
            return None
    if kind == "too_short" and value:
        return None  # its items are wrong one by one, and none is left
    if kind == "extra_forbidden":
        return Finding(path, partial(_unknown_key, str(path[-1]), owner, root), at_key=True)
    sentence: str | partial[str] = partial(_wrong, path, value, node, root)
    if kind == "missing":
        sentence = f"'{path[-1]}' is required."
    elif kind == "value_error":
        sentence = _sentence(str(detail["ctx"]["error"]))
    return Finding(path, sentence)


def _has(value: Any, part: str | int) -> bool:
    if isinstance(part, int):
        return isinstance(value, list) and part < len(value)
    return isinstance(value, dict) and part in value


def _is_other_branch(label: str, value: Any) -> bool:
    if isinstance(value, dict):
        return label.startswith("constrained-str")
    return isinstance(value, str) and label.startswith("dict[")


def _unknown_key(key: str, owner: Schema, root: Schema) -> str:
    """Write the sentence for a key that its owner doesn't have."""
    known = list(branches(owner, root)[0].get("properties", {}))
    return f"Unknown key {found(key)}.{hint(key, known)}"


def _wrong(path: Path, value: Any, node: Schema, root: Schema) -> str:
    if not path:
        return f"A definition must be a mapping, found {found(value)}."
    key = next(str(part) for part in reversed(path) if isinstance(part, str))
    if key == "capability" and isinstance(value, str):
        return f"Unknown capability {found(value)}.{hint(value, list(Capability))}"
    if isinstance(path[-1], int):
        what = _ITEMS.get(key, f"Each of '{key}'")
        return f"{what} must be {expected('', node, root)}, found {found(value)}."
    return f"'{key}' must be {expected(key, node, root)}, found {found(value)}."


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
