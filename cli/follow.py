"""Following a run: events in, a fold of them, a screen out."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from cli.client import Answer, Api
from cli.errors import CliError
from cli.progress import Run
from cli.screens import Screen
from cli.stream import subscribe

_FRAME_S = 0.1
_QUIET_S = 5.0
_ASK_S = 3.0
_TOLERATED_SKEW_S = 2.0  # the Date header has whole seconds


def follow(api: Api, execution_id: str, screen: Screen, *, quiet_s: float = _QUIET_S) -> Run:
    """Show a run from its first event to its last and return its fold.

    Args:
        api: Whom to ask.
        execution_id: The run.
        screen: Where to show it.
        quiet_s: Seconds without an event after which the run is asked whether it is paused.

    Raises:
        KeyboardInterrupt: Ctrl-C; the screen is closed, the run goes on.
    """
    snapshot = api.snapshot(execution_id, api.following)
    run = Run.unplayed(snapshot.body)
    with screen:
        screen.begin(run, _clock_of(snapshot))
        asyncio.run(_follow(api, run, screen, quiet_s))
    return run


async def _follow(api: Api, run: Run, screen: Screen, quiet_s: float) -> None:
    heard = asyncio.Event()
    aside = [asyncio.create_task(_ask_when_quiet(api, run, screen, heard, quiet_s))]
    if screen.animated:
        aside.append(asyncio.create_task(_redraw(screen)))
    try:
        async with contextlib.aclosing(subscribe(api, run.execution_id, screen.outage)) as events:
            async for event in events:
                heard.set()
                run.apply(event)
                screen.event(event)
    finally:
        for task in aside:
            task.cancel()


async def _ask_when_quiet(
    api: Api, run: Run, screen: Screen, heard: asyncio.Event, quiet_s: float
) -> None:
    """Find out about a pause: no event tells it, and a display that stands still explains nothing.

    An API that does not answer is the stream's business.
    """
    while not run.over:
        heard.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(heard.wait(), quiet_s)
            continue
        with contextlib.suppress(CliError):
            answer = await asyncio.to_thread(api.snapshot, run.execution_id, timeout=_ASK_S)
            status = answer.body.get("status")
            if {status, run.status} in ({"paused", "running"}, {"paused", "pending"}):
                run.status = status
                screen.status(status)


async def _redraw(screen: Screen) -> None:
    while True:
        screen.refresh()
        await asyncio.sleep(_FRAME_S)


def _clock_of(snapshot: Answer) -> Callable[[], float]:
    """Return the API's clock, as far as its answer tells it, for times that still run."""
    try:
        skew = parsedate_to_datetime(snapshot.headers.get("date", "")).timestamp() - time.time()
    except ValueError:
        skew = 0.0
    if abs(skew) < _TOLERATED_SKEW_S:
        skew = 0.0
    return lambda: time.time() + skew
