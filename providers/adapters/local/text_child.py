"""Entry point of the process that works on text.

Each capability's packages are imported when it is first used: the patterns alone take a second.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from providers.adapters.local.child_loop import Handler, serve

_ROOM = "providers.adapters.local"
_HANDLERS = {"redact": "redaction", "sentiment": "sentiment", "summarize": "summary"}


def _lazily(method: str, module: str) -> Handler:
    def handler(params: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
        loaded = import_module(f"{_ROOM}.{module}")
        result: dict[str, Any] = getattr(loaded, method)(params, report)
        return result

    return handler


def warm(_params: dict[str, Any], _report: Callable[[float], None]) -> dict[str, Any]:
    """Load what the other requests need, before they come."""
    for method, module in _HANDLERS.items():
        run = getattr(import_module(f"{_ROOM}.{module}"), method)
        run({"text": "Warm up.", "mode": "mask"}, lambda _: None)
    return {}


if __name__ == "__main__":
    handlers = {method: _lazily(method, module) for method, module in _HANDLERS.items()}
    serve({**handlers, "warm": warm})
