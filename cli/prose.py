"""Text that a model wrote, laid out: sentences as points, lists as they are, paragraphs whole."""

import re

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cli.conversation import marked

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"')\]]?\s+(?=[\"'(\[]?[A-Z0-9])")
_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|No|vs|etc|e\.g|i\.e|[A-Z])\.$")
_POINT = re.compile(r"^\s*(?P<mark>[-*•]|\d{1,3}[.)])\s+(?P<text>.*)$")


def sentences(text: str) -> list[str]:
    """Return the sentences of a text; `Dr. Smith` ends none."""
    found: list[str] = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if _ABBREVIATION.search(text[: match.start()]):
            continue
        found.append(text[start : match.end()].strip())
        start = match.end()
    return [*found, rest] if (rest := text[start:].strip()) else found


def bullets(text: str) -> list[RenderableType]:
    """Return a point for each sentence; or for each line; a list stays as it is."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return [indented(Text("(empty)", "dim"))]
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column()
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    for mark, words in _points(lines):
        grid.add_row("", Text(mark, "dim"), marked(words))
    return [grid]


def _points(lines: list[str]) -> list[tuple[str, str]]:
    if len(lines) == 1 and not _POINT.match(lines[0]):
        return [("•", sentence) for sentence in sentences(lines[0])]
    if not any(_POINT.match(line) for line in lines):
        return [("•", line.strip()) for line in lines]
    points: list[tuple[str, str]] = []
    for line in lines:
        match = _POINT.match(line)
        if match is None:
            points.append(("", line.strip()))
            continue
        mark = match["mark"]
        points.append((mark if mark[0].isdigit() else "•", match["text"]))
    return points


def paragraphs(text: str) -> list[RenderableType]:
    """Return text as it is."""
    return [indented(marked(text))]


def indented(content: RenderableType) -> RenderableType:
    """Return content two cells in, without filling the line."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column()
    grid.add_column(overflow="fold")
    grid.add_row(" ", content)
    return grid
