"""Findings: mistakes on their way to the reader, who gets them in order, placed, and not too many.

A hostile document can hold thousands of mistakes. A finding therefore carries its sentence as a
function where it takes work to write, and only what is shown is written and placed.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pipelines.checking.placing import place_character
from pipelines.document import Document, Position
from pipelines.errors import Mistake, pointer_to

MAX_MISTAKES = 100
MAX_FOUND = 500
"""Findings after which the search ends."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        path: Keys and indexes that lead to it.
        message: The sentence, or what writes it.
        offset: The character inside the text that stands there.
        at_key: Whether the key is wrong, not its value.
    """

    path: Path
    message: str | Callable[[], str]
    offset: int | None = None
    at_key: bool = False


def report(findings: Iterable[Finding], document: Document) -> list[Mistake]:
    """Sort, cut, place and write the findings."""
    found = list(islice(findings, MAX_FOUND + 1))
    order = _Order(document)
    shown = sorted(found, key=order)[:MAX_MISTAKES]
    mistakes = list(dict.fromkeys(_written(finding, document) for finding in shown))
    if len(found) > MAX_FOUND:
        mistakes.append(Mistake("", f"And more than {MAX_FOUND - len(shown)} more mistakes."))
    elif more := len(found) - len(shown):
        mistakes.append(Mistake("", f"And {more} more mistake{'s' * (more > 1)}."))
    return mistakes


class _Order:
    """Puts findings in the order in which a reader meets them."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._keys: dict[int, dict[str, int]] = {}

    def __call__(self, finding: Finding) -> tuple[tuple[int, ...], int]:
        if self._document.is_placed:
            place = _position(finding, self._document) or Position(0, 0)
            return (place.line, place.column), finding.offset or 0
        return tuple(self._ordinals(finding.path)), finding.offset or 0

    def _ordinals(self, path: Path) -> Iterator[int]:
        """Yield the places within their owners of the values that lead to one, while they exist."""
        value = self._document.value
        for part in path:
            if isinstance(value, dict) and part in value:
                yield self._place_in(value)[str(part)]
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                yield part
            else:
                return
            value = value[part]

    def _place_in(self, mapping: dict[str, Any]) -> dict[str, int]:
        if id(mapping) not in self._keys:
            self._keys[id(mapping)] = {key: place for place, key in enumerate(mapping)}
        return self._keys[id(mapping)]


def _position(finding: Finding, document: Document) -> Position | None:
    key = document.key_position(finding.path) if finding.at_key else None
    return key or document.position(finding.path)


def _written(finding: Finding, document: Document) -> Mistake:
    message = finding.message if isinstance(finding.message, str) else finding.message()
    pointer = pointer_to(finding.path)
    place = _position(finding, document)
    if place is None:
        return Mistake(pointer, message)
    if finding.offset is not None:
        value = _value_at(document.value, finding.path)
        place = place_character(document.text, place, value, finding.offset) or place
    return Mistake(pointer, message, place.line, place.column)


def _value_at(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value
