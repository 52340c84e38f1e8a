"""Runs every benchmark that needs no key and writes what came out to `benchmarks/results.json`."""

import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

from rich.console import Console

from benchmarks.result import CannotMeasure, Result, show, write

BENCHMARKS = (
    "definitions",
    "ledger",
    "quality",
)
RESULTS = Path(__file__).with_name("results.json")


def run(names: Iterable[str], path: Path) -> bool:
    """Run benchmarks, print their results and write them to a file.

    Returns:
        Whether all goals were met.
    """
    results = [result for name in names for result in _results_of(name)]
    show(results)
    write(results, path)
    return all(result.met for result in results)


def _results_of(name: str) -> Iterator[Result]:
    try:
        yield from import_module(f"benchmarks.{name}").benchmark()
    except CannotMeasure as reason:
        Console(stderr=True).print(f"{name} is not measured: {reason}", style="red", markup=False)


if __name__ == "__main__":
    sys.exit(0 if run(BENCHMARKS, RESULTS) else 1)
