"""Times of two things that do the same work, taken in turn."""

import time
from collections.abc import Callable
from statistics import median


def medians(*functions: Callable[[], object], rounds: int, batch: int = 1) -> list[float]:
    """Call functions in turn and return the median time of one call of each, in seconds.

    Processor time of this process: what else the machine does counts for little.

    In turn, so that whatever else the machine does meets all of them; one round before the first
    is not counted, it fills caches.

    Args:
        functions: What is compared.
        rounds: How often each is timed.
        batch: Calls that are timed together, for what is short against the clock.
    """
    times = [[_time(function, batch) for function in functions] for _ in range(rounds + 1)]
    return [median(column) / batch for column in zip(*times[1:], strict=True)]


def _time(function: Callable[[], object], batch: int) -> float:
    begun = time.process_time()
    for _ in range(batch):
        function()
    return time.process_time() - begun
