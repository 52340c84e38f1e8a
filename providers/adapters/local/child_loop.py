"""The child's side of the conversation with the adapter: JSON lines over stdin and stdout.

A request is `{"method": …, "params": {…}}`. The answer is any number of `{"progress": fraction}`
and then one `{"result": {…}}` or `{"error": {"code": …, "message": …}}`.

A thread reads stdin all the time; when it ends, so does the process, even in mid-computation.
Hence a parent that is killed with SIGKILL leaves nothing behind. Should native code hold the
interpreter lock so that this thread can't run, an alarm outside the interpreter ends the process
`STALL_SECONDS` after the last sign of work.
"""

import faulthandler
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from providers.errors import ProviderError, ProviderFault

Handler = Callable[[dict[str, Any], Callable[[float], None]], dict[str, Any]]
"""Takes the parameters and a function that reports the fraction done; returns the result."""

PROGRESS_INTERVAL = 0.1
"""Seconds between two progress lines, at least."""

STALL_SECONDS = 120.0
"""A handler that reports nothing for so long is taken for hung."""

NICENESS = 5
"""Added to the parent's: its event loop comes first."""


def serve(handlers: Mapping[str, Handler]) -> None:
    """Answer requests until stdin ends. Never returns."""
    channel = _Channel(_claim_stdout())
    _be_modest()
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(requests,), daemon=True).start()
    while True:
        request = json.loads(requests.get())
        channel.send(_answer(handlers[request["method"]], request["params"], channel.progress))


def _answer(
    handler: Handler, params: dict[str, Any], report: Callable[[float], None]
) -> dict[str, Any]:
    faulthandler.dump_traceback_later(STALL_SECONDS, exit=True)
    try:
        return {"result": handler(params, report)}
    except ProviderError as error:
        return {"error": {"code": error.code, "message": error.message}}
    except Exception as error:  # noqa: BLE001 - the boundary: the parent must get an answer
        return {"error": {"code": ProviderFault.code, "message": _place(error)}}
    finally:
        faulthandler.cancel_dump_traceback_later()


def _place(error: Exception) -> str:
    """Name the error and where it was raised; its own text may hold a caller's data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = ""
    if trace is not None:
        where = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
    return f"The embedded provider failed with {type(error).__name__}{where}."


class _Channel:
    """Writes lines to the parent; a parent that is gone ends the process."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._last_progress = 0.0

    def send(self, message: dict[str, Any]) -> None:
        try:
            self._stream.write(json.dumps(message).encode() + b"\n")
            self._stream.flush()
        except OSError:
            os._exit(0)

    def progress(self, fraction: float) -> None:
        now = time.monotonic()
        if now - self._last_progress < PROGRESS_INTERVAL:
            return
        self._last_progress = now
        faulthandler.dump_traceback_later(STALL_SECONDS, exit=True)
        self.send({"progress": round(min(1.0, max(0.0, fraction)), 4)})


def _claim_stdout() -> BinaryIO:
    """Keep stdout for the protocol; what libraries print goes to stderr."""
    ours = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(ours, "wb")


def _be_modest() -> None:
    if sys.platform != "win32":
        import resource  # noqa: PLC0415 - absent on Windows

        os.nice(NICENESS)
        # A core dump would hold a caller's recording or text.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read_requests(requests: queue.SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        requests.put(line)
    os._exit(0)
