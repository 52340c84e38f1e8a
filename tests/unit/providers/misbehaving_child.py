"""A child process that does what children must not do; run by the tests of the pool."""

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from providers.adapters.local.child_loop import serve
from providers.errors import InvalidMedia

Report = Callable[[float], None]


def compute_forever(_params: dict[str, Any], report: Report) -> dict[str, Any]:
    step = 0
    while True:
        step += 1
        report(1 - 1 / step)


def crash(_params: dict[str, Any], _report: Report) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGSEGV)
    return {}


def leave(_params: dict[str, Any], _report: Report) -> dict[str, Any]:
    os._exit(3)


def print_a_lot(_params: dict[str, Any], _report: Report) -> dict[str, Any]:
    print("a library's greeting")  # noqa: T201 - what this handler is for
    os.write(1, b"native code's greeting\n")
    sys.stdout.flush()
    return {"printed": True}


def refuse(_params: dict[str, Any], _report: Report) -> dict[str, Any]:
    message = "This is no recording."
    raise InvalidMedia(message)


def stumble(params: dict[str, Any], _report: Report) -> dict[str, Any]:
    raise ValueError(params["secret"])


def describe(_params: dict[str, Any], _report: Report) -> dict[str, Any]:
    return {"pid": os.getpid(), "environment": sorted(os.environ), "nice": os.nice(0)}


def report_in_steps(_params: dict[str, Any], report: Report) -> dict[str, Any]:
    started = time.monotonic()
    while (passed := time.monotonic() - started) < 0.5:
        report(passed / 0.5)
    return {}


if __name__ == "__main__":
    serve(
        {
            "compute_forever": compute_forever,
            "crash": crash,
            "leave": leave,
            "print_a_lot": print_a_lot,
            "refuse": refuse,
            "stumble": stumble,
            "describe": describe,
            "report_in_steps": report_in_steps,
        }
    )
