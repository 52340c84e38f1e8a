"""What lines look like in a terminal of so many cells, without colour."""

from collections.abc import Iterable

from rich.console import Console, RenderableType


def text_of(lines: Iterable[RenderableType], width: int = 80) -> str:
    console = Console(width=width, no_color=True, force_terminal=False, highlight=False)
    with console.capture() as captured:
        for line in lines:
            console.print(line)
    return "\n".join(line.rstrip() for line in captured.get().rstrip().splitlines())
