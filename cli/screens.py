"""What someone who follows a run sees: a live display on a terminal, lines elsewhere.

The live display is redrawn ten times a second in place, by the loop that reads the events, and is
wiped when the run ends: the result that is printed then carries the same table.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import IO, Any, Protocol, Self

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from cli.figures import clean, clock, epoch, money, to_json_line
from cli.output import console, moves
from cli.progress import Run, words
from cli.steps import look, step_lines

_MARGIN = 7  # lines of the display that are no steps, and one for the prompt
_BAR_WIDTH = 46


class Screen(Protocol):
    """Where the progress of a run is shown."""

    animated: bool

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(self, *_: object) -> None:
        """End; the stream is left as other output needs it."""
        ...

    def begin(self, run: Run, clock: Callable[[], float]) -> None:
        """Show a run before its first event; `clock` gives the API's time."""
        ...

    def event(self, event: Mapping[str, Any]) -> None:
        """Show an event that has been folded into the run."""
        ...

    def outage(self, reason: str | None) -> None:
        """Tell that the connection is lost, or with None that it is back."""
        ...

    def status(self, status: str) -> None:
        """Tell that the run was paused or goes on, which no event says."""
        ...

    def refresh(self) -> None:
        """Draw again, as time has passed."""
        ...


class Silent:
    """Shows nothing."""

    animated = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begin(self, run: Run, clock: Callable[[], float]) -> None:
        """Show nothing."""

    def event(self, event: Mapping[str, Any]) -> None:
        """Show nothing."""

    def outage(self, reason: str | None) -> None:
        """Show nothing."""

    def status(self, status: str) -> None:
        """Show nothing."""

    def refresh(self) -> None:
        """Show nothing."""


class JsonLines(Silent):
    """Prints every event as a line of JSON, hints too, as the API sent it."""

    def event(self, event: Mapping[str, Any]) -> None:
        """Print the event."""
        click.echo(to_json_line(event))


class Lines(Silent):
    """Prints a plain line for each durable event, for logs and pipes."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._names = 0
        self._lost = False

    def begin(self, run: Run, clock: Callable[[], float]) -> None:
        """Name the run."""
        del clock
        self._names = max((len(name) for name in run.steps), default=0)
        self._print(f"{run.title}  {run.execution_id}")

    def event(self, event: Mapping[str, Any]) -> None:
        """Print the event unless it is a hint."""
        if event.get("event_id") is not None:
            self._print(plain_line(event, self._names))

    def outage(self, reason: str | None) -> None:
        """Print that the connection was lost, once, and that it is back."""
        if bool(reason) != self._lost:
            self._lost = bool(reason)
            self._print(
                f"connection lost ({reason}), trying again" if reason else "connected again"
            )

    def status(self, status: str) -> None:
        """Print the new status."""
        self._print(f"the run is {status}")

    def _print(self, line: str) -> None:
        click.echo(clean(line, one_line=False), file=self._stream)


def plain_line(event: Mapping[str, Any], names: int = 0) -> str:
    """Return an event as time, type, step, who, words and cost, two spaces between."""
    at = epoch(event.get("timestamp"))
    who = "/".join(str(event[key]) for key in ("provider", "model") if event.get(key))
    cost = event.get("cost_usd")
    said = [who, words(event), "" if cost is None else money(cost)]
    parts = [
        datetime.fromtimestamp(at, UTC).strftime("%H:%M:%SZ") if at is not None else "--:--:--Z",
        f"{clean(event.get('event_type') or '', one_line=True):<18}",
        f"{clean(event.get('step_name') or '', one_line=True):<{names}}",
        *(clean(word, one_line=True) for word in said),
    ]
    return "  ".join(part for part in parts if part.strip()).rstrip()


class LiveScreen:
    """The display that is redrawn in place."""

    animated = True

    def __init__(self, stream: IO[str]) -> None:
        self._console = console(stream)
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._run: Run | None = None
        self._clock: Callable[[], float] = lambda: 0.0
        self._outage: str | None = None

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def begin(self, run: Run, clock: Callable[[], float]) -> None:
        """Draw the run with every step pending."""
        self._run, self._clock = run, clock
        self.refresh()

    def event(self, event: Mapping[str, Any]) -> None:
        """Leave it to the next redraw: many events may come at once."""

    def outage(self, reason: str | None) -> None:
        """Keep the reason for the next redraw."""
        self._outage = reason

    def status(self, status: str) -> None:
        """Leave it to the next redraw."""

    def refresh(self) -> None:
        """Draw the run as it stands."""
        if self._run is not None:
            now = self._clock()
            self._live.update(frame(self._run, self._console, now, self._outage), refresh=True)


def frame(run: Run, target: Console, now: float, outage: str | None) -> Group:
    """Return one picture of the live display, never higher than the terminal."""
    width = target.width
    rows = step_lines(run.steps.values(), width, now, wrap=False)
    running = [index for index, step in enumerate(run.steps.values()) if step.status != "pending"]
    lines = _window(rows, running[-1] if running else 0, max(3, target.height - _MARGIN))
    header = Text(no_wrap=True, overflow="ellipsis").append(clean(run.title), "bold")
    header.append("  ").append(run.execution_id, "dim")
    if run.status == "paused":
        header.append("  paused", look("paused").style)
    warning = f"  connection lost ({clean(outage, one_line=True)}), trying again…" if outage else ""
    below = Text(warning, "yellow", no_wrap=True, overflow="ellipsis")
    return Group(header, Text(), *lines, Text(), _bar(run, width, now), below)


def _window(rows: list[list[Text]], focus: int, height: int) -> list[Text]:
    """Return the lines around the focus, with a count of what is above and below."""
    if sum(map(len, rows)) <= height:
        return [line for row in rows for line in row]
    first, last, used = focus, focus, len(rows[focus])
    while True:
        grown = False
        for index in (first - 1, last + 1):
            if 0 <= index < len(rows) and used + len(rows[index]) <= height - 2:
                used += len(rows[index])
                first, last, grown = min(first, index), max(last, index), True
        if not grown:
            break
    above = [Text(f"    … {first} above", "dim")] if first else []
    below = [Text(f"    … {len(rows) - last - 1} below", "dim")] if last < len(rows) - 1 else []
    return [*above, *(line for row in rows[first : last + 1] for line in row), *below]


def _bar(run: Run, width: int, now: float) -> Text:
    elapsed = "" if run.started is None else clock(max(0.0, (run.ended or now) - run.started))
    figures = f"  {run.percent:3.0f} %   {money(run.spent)}   {elapsed}"
    room = max(10, min(_BAR_WIDTH, width - len(figures) - 4))
    halves = int(min(100.0, run.percent) / 100 * room * 2)
    full, half = divmod(halves, 2)
    line = Text("  ", no_wrap=True, overflow="ellipsis")
    line.append("━" * full + "╸" * half, "green" if run.status == "completed" else "cyan")
    line.append("─" * (room - full - half), "dim")
    return line.append(figures)


def screen_for(stream: IO[str]) -> Screen:
    """Return the live display where it can be drawn, lines elsewhere."""
    return LiveScreen(stream) if moves(stream) else Lines(stream)
