"""Reads a definition's text, YAML or JSON, and remembers where everything stands.

The text may come from anybody. It is bounded before it is understood: bytes, values, keys and
depth, with an alias counted as everything that it stands for, so that a document of a few lines
can't stand for millions of values. YAML is read event by event and given up at the first bound;
only plain data is built, by the rules of YAML 1.2's core schema (`yes` and `on` are text).

Places are kept by path, not by pointer: of thousands of values below one long key each pointer
would repeat that key.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from pipelines.errors import InvalidDefinition, Mistake, TooDeep, path_of

MAX_BYTES = 1 << 20
MAX_VALUES = 20_000
MAX_DEPTH = 64
MAX_KEY = 1_000
"""Characters of one key."""

_SHOWN = 80
"""Characters of a word of the text that a message repeats."""

Place = tuple[str, ...]
"""The keys that lead to a value, and the indexes as text."""

# The parser that is written in C, where the wheel has it: ten times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# YAML 1.2.2, section 10.3.2 (core schema), https://yaml.org/spec/1.2.2/, read 2026-11-24. A run of
# digits is possessive (`++`): nothing is looked at twice in a long one that is no number after all.
_CORE: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r"(null|Null|NULL|~|)"), lambda _: None),
    (re.compile(r"(true|True|TRUE|false|False|FALSE)"), lambda text: text.lower() == "true"),
    (re.compile(r"[-+]?[0-9]{1,300}+"), int),
    (re.compile(r"0o[0-7]{1,300}+"), lambda text: int(text, 0)),
    (re.compile(r"0x[0-9a-fA-F]{1,300}+"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(\.[0-9]++|[0-9]++(\.[0-9]*+)?)([eE][-+]?[0-9]++)?"), float),
)
_MAY_BE_MORE = re.compile(r"[-+.0-9~nNtTfF]|\Z")
"""How a scalar begins that may be something else than text."""


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
        marks: Where each value begins, as the parser says; empty for JSON.
        keys: Where the key of each value begins; empty for JSON.
        text: What was read; empty for JSON.
    """

    value: Any
    marks: dict[Place, Any] = field(default_factory=dict, repr=False)
    keys: dict[Place, Any] = field(default_factory=dict, repr=False)
    text: str = field(default="", repr=False)

    @property
    def is_placed(self) -> bool:
        """Whether line and column of its values are known."""
        return bool(self.marks)

    def position(self, path: Sequence[str | int]) -> Position | None:
        """Return where a value begins, or the nearest above it that is written."""
        place = _place(path)
        while place and place not in self.marks:
            place = place[:-1]
        return _position(self.marks.get(place))

    def key_position(self, path: Sequence[str | int]) -> Position | None:
        """Return where the key of a value begins."""
        return _position(self.keys.get(_place(path)))

    def locate(self, mistake: Mistake) -> Mistake:
        """Add line and column, of the nearest value that is written where this one is not."""
        position = self.position(path_of(mistake.pointer))
        if position is None or mistake.line is not None:
            return mistake
        return Mistake(mistake.pointer, mistake.message, position.line, position.column)


def read_json(text: str) -> Document:
    """Read JSON.

    Raises:
        InvalidDefinition: It is not JSON, or exceeds a bound.
    """
    _check_size(text)
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except RecursionError:
        raise _too_deep() from None
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
        self._marks: dict[Place, Any] = {}
        self._keys: dict[Place, Any] = {}
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._count = 0

    def compose(self) -> Document:
        next(self._events)  # the stream's start
        first = next(self._events)
        if isinstance(first, yaml.StreamEndEvent):
            _refuse("The document is empty.", 1, 1)
        value = self._value(next(self._events), (), 1)
        next(self._events)  # the document's end
        following = next(self._events)
        if not isinstance(following, yaml.StreamEndEvent):
            _refuse_at(following, "Expected one document, found a second one.")
        return Document(value, self._marks, self._keys, self._text)

    def _value(self, event: Any, place: Place, depth: int) -> Any:
        self._marks[place] = event.start_mark
        self._counted(1, event)
        if depth > MAX_DEPTH:
            raise _too_deep(*_place_of(event))
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.tag:
            _check_tag(event)
        before = self._count
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(place, depth)
        else:
            value = self._mapping(place, depth)
        if event.anchor:
            self._anchors[event.anchor] = (value, self._count - before + 1)
        return value

    def _sequence(self, place: Place, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*place, str(len(items))), depth + 1))
        return items

    def _mapping(self, place: Place, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                _refuse_at(event, "A key must be text.")
            key = event.value
            if len(key) > MAX_KEY:
                _refuse_at(event, _too_long(key))
            if key in mapping:
                _refuse_at(event, f"The key '{_short(key)}' stands here a second time.")
            below = (*place, key)
            self._keys[below] = event.start_mark
            mapping[key] = self._value(next(self._events), below, depth + 1)
        return mapping

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            _refuse_at(event, f"The alias '*{_short(event.anchor)}' has no anchor before it.")
        value, count = self._anchors[event.anchor]
        self._counted(count, event)
        return value

    def _counted(self, count: int, event: Any) -> None:
        self._count += count
        if self._count > MAX_VALUES:
            _refuse_at(event, f"The document stands for more than {MAX_VALUES} values.")


def _scalar(event: Any) -> Any:
    text = event.value
    plain = event.implicit[0] and event.style in (None, "")
    if plain and _MAY_BE_MORE.match(text):
        for pattern, convert in _CORE:
            if pattern.fullmatch(text):
                return convert(text)
    return text


def _check_tag(event: Any) -> None:
    if event.tag not in ("!", "tag:yaml.org,2002:str"):
        _refuse_at(event, f"The tag '{_short(event.tag)}' is not supported: write plain data.")


def _place(path: Sequence[str | int]) -> Place:
    return tuple(map(str, path))


def _position(mark: Any) -> Position | None:
    return None if mark is None else Position(mark.line + 1, mark.column + 1)


def _check_size(text: str) -> None:
    if len(text) > MAX_BYTES:
        _refuse(f"The document has more than {MAX_BYTES} characters.")


def _check_bounds(value: Any) -> None:
    count, stack = 0, [(value, 1)]
    while stack:
        item, depth = stack.pop()
        count += 1
        if depth > MAX_DEPTH:
            raise _too_deep()
        if count > MAX_VALUES:
            _refuse(f"The document has more than {MAX_VALUES} values.")
        children = item.values() if isinstance(item, dict) else item
        if isinstance(item, dict | list):
            stack += [(child, depth + 1) for child in children]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if long := next((key for key in mapping if len(key) > MAX_KEY), None):
        _refuse(_too_long(long))
    if len(mapping) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key, times in Counter(keys).items() if times > 1)
        _refuse(f"The key '{_short(twice)}' stands twice in one object.")
    return mapping


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"{name} is not valid JSON.")


def _too_long(key: str) -> str:
    return f"A key has at most {MAX_KEY} characters; '{_short(key)}…' has {len(key)}."


def _short(text: str) -> str:
    return text[:_SHOWN]


def _refuse_at(event: Any, message: str) -> NoReturn:
    _refuse(message, *_place_of(event))


def _place_of(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _too_deep(line: int | None = None, column: int | None = None) -> TooDeep:
    message = f"The document is nested deeper than {MAX_DEPTH} levels."
    return TooDeep([Mistake("", message, line, column)])


def _refuse(message: str, line: int | None = None, column: int | None = None) -> NoReturn:
    raise InvalidDefinition([Mistake("", message, line, column)])
