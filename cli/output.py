"""Where output goes: consoles for people, JSON for programs."""

import sys
from typing import IO, Any

import click
from rich.console import Console, RenderableType

from cli.figures import to_json

_WIDEST = 100  # prose in longer lines is hard to read
_UNBOUNDED = 100_000  # a file or a pipe has no edge: lines are not broken


def console(stream: IO[str], *, widest: int | None = None) -> Console:
    """Return a console; colour and line breaks only where the stream is a terminal."""
    if not stream.isatty():
        return Console(file=stream, width=_UNBOUNDED, no_color=True, highlight=False)
    made = Console(file=stream, highlight=False, markup=False, emoji=False)
    return Console(
        file=stream,
        width=min(made.width, widest) if widest else None,
        highlight=False,
        markup=False,
        emoji=False,
    )


def moves(stream: IO[str]) -> bool:
    """Whether a display may be redrawn in place."""
    return stream.isatty() and not Console(file=stream).is_dumb_terminal


def print_json(value: Any) -> None:
    """Print a value of the API as it is."""
    click.echo(to_json(value))


def show(*parts: RenderableType) -> None:
    """Print for people on stdout; a pipe gets neither colour nor trailing spaces."""
    target = console(sys.stdout, widest=_WIDEST)
    if target.is_terminal:
        target.print(*parts, sep="\n")
        return
    with target.capture() as captured:
        for part in parts:
            target.print(part)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def stdout_width() -> int:
    """Return the cells of a line that is printed with `show`."""
    return console(sys.stdout, widest=_WIDEST).width
