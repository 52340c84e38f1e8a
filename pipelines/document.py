"""Reads a definition's text, YAML or JSON, and remembers where everything stands.

The text may come from anybody. It is bounded before it is understood: bytes, values and depth, with
an alias counted as everything that it stands for, so that a document of a few lines can't stand for
millions of values. YAML is read event by event and given up at the first bound; only plain data is
built, by the rules of YAML 1.2's core schema (`yes` and `on` are text).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from pipelines.errors import InvalidDefinition, Mistake, pointer_to

MAX_BYTES = 1 << 20
MAX_VALUES = 20_000
MAX_DEPTH = 64

# The parser that is written in C, where the wheel has it: ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# YAML 1.2.2, section 10.3.2 (core schema), https://yaml.org/spec/1.2.2/, read 2026-11-24.
_CORE: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r"(null|Null|NULL|~|)"), lambda _: None),
    (re.compile(r"(true|True|TRUE|false|False|FALSE)"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?[0-9]{1,300}"), int),
    (re.compile(r"0o[0-7]{1,300}"), lambda text: int(text, 0)),
    (re.compile(r"0x[0-9a-fA-F]{1,300}"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a text; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """A text's value.

    Attributes:
        value: Plain JSON data.
        positions: Where the value behind each JSON pointer begins; empty for JSON.
        keys: Where the key of each pointer's value begins; empty for JSON.
        text: What was read; empty for JSON.
    """

    value: Any
    positions: dict[str, Position] = field(default_factory=dict)
    keys: dict[str, Position] = field(default_factory=dict)
    text: str = field(default="", repr=False)

    def locate(self, mistake: Mistake) -> Mistake:
        """Add line and column, of the nearest value that is written where this one is not."""
        pointer = mistake.pointer
        while pointer and pointer not in self.positions:
            pointer = pointer.rpartition("/")[0]
        place = self.positions.get(pointer)
        if place is None or mistake.line is not None:
            return mistake
        return Mistake(mistake.pointer, mistake.message, place.line, place.column)


def read_json(text: str) -> Document:
    """Read JSON.

    Raises:
        InvalidDefinition: It is not JSON, or exceeds a bound.
    """
    _check_size(text)
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError:
        _refuse(f"The document is nested deeper than {MAX_DEPTH} levels.")
    except json.JSONDecodeError as error:
        _refuse(f"The document is not valid JSON: {error.msg}.", error.lineno, error.colno)
    except ValueError:
        _refuse("The document holds a number with too many digits.")
    _check_bounds(value)
    return Document(value)


def read_yaml(text: str) -> Document:
    """Read one YAML document.

    Raises:
        InvalidDefinition: It is not YAML, holds something that JSON can't, or exceeds a bound.
    """
    _check_size(text)
    try:
        return _Composer(text).compose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (None, None)
        _refuse(f"The document is not valid YAML: {error.problem or error.context}.", *place)
    except yaml.YAMLError as error:
        _refuse(f"The document is not valid YAML: {error}.")


class _Composer:
    """Builds a value from parser events."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._positions: dict[str, Position] = {}
        self._keys: dict[str, Position] = {}
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._count = 0

    def compose(self) -> Document:
        next(self._events)  # the stream's start
        first = next(self._events)
        if isinstance(first, yaml.StreamEndEvent):
            _refuse("The document is empty.", 1, 1)
        value = self._value(next(self._events), "", 1)
        next(self._events)  # the document's end
        following = next(self._events)
        if not isinstance(following, yaml.StreamEndEvent):
            _refuse("Expected one document, found a second one.", *_place(following))
        return Document(value, self._positions, self._keys, self._text)

    def _value(self, event: Any, pointer: str, depth: int) -> Any:
        place = _place(event)
        self._positions[pointer] = Position(*place)
        self._counted(1, place)
        if depth > MAX_DEPTH:
            _refuse(f"The document is nested deeper than {MAX_DEPTH} levels.", *place)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        _refuse_tag(event)
        before = self._count
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(pointer, depth)
        else:
            value = self._mapping(pointer, depth)
        if event.anchor:
            self._anchors[event.anchor] = (value, self._count - before + 1)
        return value

    def _sequence(self, pointer: str, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, f"{pointer}/{len(items)}", depth + 1))
        return items

    def _mapping(self, pointer: str, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            place = _place(event)
            key = event.value if isinstance(event, yaml.ScalarEvent) else None
            if key is None:
                _refuse("A key must be text.", *place)
            if key in mapping:
                _refuse(f"The key '{key}' stands here a second time.", *place)
            below = pointer + pointer_to((key,))
            self._keys[below] = Position(*place)
            mapping[key] = self._value(next(self._events), below, depth + 1)
        return mapping

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            _refuse(f"The alias '*{event.anchor}' has no anchor before it.", *_place(event))
        value, count = self._anchors[event.anchor]
        self._counted(count, _place(event))
        return value

    def _counted(self, count: int, place: tuple[int, int]) -> None:
        self._count += count
        if self._count > MAX_VALUES:
            _refuse(f"The document stands for more than {MAX_VALUES} values.", *place)


def _scalar(event: Any) -> Any:
    plain = event.implicit[0] and event.style in (None, "")
    if not plain:
        return event.value
    for pattern, convert in _CORE:
        if pattern.fullmatch(event.value):
            return convert(event.value)
    return event.value


def _refuse_tag(event: Any) -> None:
    if event.tag and event.tag not in ("!", "tag:yaml.org,2002:str"):
        _refuse(f"The tag '{event.tag}' is not supported: write plain data.", *_place(event))


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _check_size(text: str) -> None:
    if len(text) > MAX_BYTES:
        _refuse(f"The document has more than {MAX_BYTES} characters.")


def _check_bounds(value: Any) -> None:
    count, stack = 0, [(value, 1)]
    while stack:
        item, depth = stack.pop()
        count += 1
        if depth > MAX_DEPTH:
            _refuse(f"The document is nested deeper than {MAX_DEPTH} levels.")
        if count > MAX_VALUES:
            _refuse(f"The document has more than {MAX_VALUES} values.")
        children = item.values() if isinstance(item, dict) else item
        if isinstance(item, dict | list):
            stack += [(child, depth + 1) for child in children]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        twice = next(key for place, (key, _) in enumerate(pairs) if key in dict(pairs[:place]))
        _refuse(f"The key '{twice}' stands twice in one object.")
    return mapping


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"{name} is not valid JSON.")


def _refuse(message: str, line: int | None = None, column: int | None = None) -> NoReturn:
    raise InvalidDefinition([Mistake("", message, line, column)])
