"""Where one character of a text stands in the YAML that it was written in.

Plain scalars, quoted ones and literal blocks (`|`) are followed; of a folded text, of an alias, and
of one whose escapes don't lead to the same characters, only the beginning is known.
"""

import re
from functools import lru_cache

from pipelines.document import Position

MAX_LENGTH = 20_000
"""Characters of a text that is followed; of a longer one the beginning must do."""

# YAML 1.2.2, section 5.7 (escaped characters), https://yaml.org/spec/1.2.2/, read 2026-11-24.
_DOUBLE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)|[^\\\"]")
_SINGLE = re.compile(r"''|[^']")
_BLOCK_HEADER = re.compile(r"\|([+-]?[1-9]?|[1-9][+-])[ \t]*(#.*)?")


def place_character(text: str, start: Position, value: str, offset: int) -> Position | None:
    """Find the character with this offset in a scalar that begins at `start`.

    Returns:
        Its position, or none where it can't be told.
    """
    lines = _lines(text)
    if len(value) > MAX_LENGTH or start.line > len(lines):
        return None
    line = lines[start.line - 1]
    written = line[start.column - 1 :]
    if _BLOCK_HEADER.fullmatch(written):
        return _in_block(lines, start.line, value, offset)
    column = _in_line(written, value, offset)
    return None if column is None else Position(start.line, start.column + column)


@lru_cache(maxsize=1)
def _lines(text: str) -> list[str]:
    return re.split(r"\r\n|[\n\r\x85\u2028\u2029]", text)


def _in_line(written: str, value: str, offset: int) -> int | None:
    if written.startswith(value) and written[:1] not in ('"', "'"):
        return offset
    quoted = {'"': _DOUBLE, "'": _SINGLE}.get(written[:1])
    if quoted is None:
        return None
    if (
        offset < len(value)
        and written[1 : offset + 2] == value[: offset + 1]
        and not ({"\\", "'"} & set(written[1 : offset + 1]))
    ):
        return offset + 1
    column = 1
    for number in range(offset):
        match = quoted.match(written, column)
        if match is None or (len(match[0]) == 1 and match[0] != value[number]):
            return None
        column = match.end()
    return column


def _in_block(lines: list[str], header: int, value: str, offset: int) -> Position | None:
    before = value[:offset]
    number = before.count("\n")
    wanted = value.split("\n")
    shown = lines[header : header + number + 1]
    indent = next((len(line) - len(line.lstrip(" ")) for line in shown if line.strip(" ")), 0)
    if len(shown) <= number or shown[number][indent:] != wanted[number]:
        return None
    return Position(header + number + 1, indent + len(before) - before.rfind("\n"))
