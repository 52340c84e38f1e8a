"""The benchmarks work and write what was promised; how fast anything is, they tell themselves."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from io import StringIO
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

from benchmarks import __main__ as benchmarks
from benchmarks import definitions, ledger
from benchmarks.result import CannotMeasure, Result, show, write
from pipelines.expressions import evaluate
from settings import ROOT

Benchmark = Callable[[], Iterable[Result]]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[[Benchmark], None]:
    """Put a benchmark where one called `demo` would be."""

    def put(benchmark: Benchmark) -> None:
        module = ModuleType("benchmarks.demo")
        module.__dict__["benchmark"] = benchmark
        monkeypatch.setitem(sys.modules, "benchmarks.demo", module)

    return put


def rows_of(path: Path) -> list[dict[str, object]]:
    return list(json.loads(path.read_text("utf-8")))


def test_the_file_is_a_list_of_what_was_claimed_and_measured(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write(
        [
            Result.at_most("to check", 20, 12.34567, "ms", "half of the other"),
            Result.at_least("recall", 60, 59.9999, "%"),
        ],
        path,
    )
    assert rows_of(path) == [
        {"name": "to check", "goal": 20, "measured": 12.35, "unit": "ms", "met": True},
        {"name": "recall", "goal": 60, "measured": 60.0, "unit": "%", "met": False},
    ]


def test_a_goal_that_is_reached_exactly_is_met() -> None:
    assert Result.at_most("a", 20, 20, "ms").met
    assert Result.at_least("a", 20, 20, "ms").met
    assert not Result.at_most("a", 20, 20.1, "ms").met


def test_what_is_shown_names_goal_figure_and_what_it_is_compared_with() -> None:
    text = StringIO()
    show([Result.at_most("to check", 20, 30, "ms", "[x] twice")], Console(file=text, width=80))
    assert re.search(r"to check +30 ms +at most 20 ms +missed", text.getvalue())
    assert "to check: [x] twice" in text.getvalue()


@pytest.mark.parametrize("measured", [10, 30])
def test_a_run_fails_when_a_goal_is_missed_and_writes_all_the_same(
    register: Callable[[Benchmark], None], tmp_path: Path, measured: float
) -> None:
    register(lambda: [Result.at_most("to check", 20, measured, "ms")])
    assert benchmarks.run(["demo"], tmp_path / "results.json") == (measured == 10)
    assert [row["measured"] for row in rows_of(tmp_path / "results.json")] == [measured]


def test_what_can_not_be_measured_is_told_and_the_rest_is(
    register: Callable[[Benchmark], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def benchmark() -> Iterator[Result]:
        yield Result.at_most("to check", 20, 10, "ms")
        raise CannotMeasure("flite is not installed")

    register(benchmark)
    assert benchmarks.run(["demo"], tmp_path / "results.json")
    assert capsys.readouterr().err == "demo is not measured: flite is not installed\n"
    assert len(rows_of(tmp_path / "results.json")) == 1


@pytest.mark.parametrize("name", benchmarks.BENCHMARKS)
def test_what_is_registered_is_there(name: str) -> None:
    assert callable(import_module(f"benchmarks.{name}").benchmark)


def test_definitions_are_measured() -> None:
    results = list(definitions.benchmark(quick=True))
    assert [(one.goal, one.unit) for one in results] == [(20, "ms"), (50, "µs"), (100, "ms")]
    assert all(one.measured > 0 for one in results)
    assert len({one.name for one in results}) == 3


def test_the_ledger_is_measured() -> None:
    results = list(ledger.benchmark(quick=True))
    assert [one.unit for one in results] == ["tx/s", "ms"] * 4
    assert all(one.measured > 0 for one in results)
    assert len({one.name for one in results}) == 8


def test_the_definition_has_fifty_steps_and_the_context_one_kilobyte() -> None:
    assert len(definitions.check(definitions.FIFTY_STEPS).steps) == 50
    assert 1000 <= len(json.dumps(definitions.CONTEXT)) <= 1100


@pytest.mark.parametrize("condition", definitions.CONDITIONS)
def test_a_condition_means_what_its_python_function_does(condition: str) -> None:
    as_python = definitions.CONDITIONS[condition](definitions.CONTEXT)
    assert evaluate(condition, definitions.CONTEXT) is as_python


def test_results_are_not_kept_in_the_repository() -> None:
    path = benchmarks.RESULTS.relative_to(ROOT)
    assert str(path) in (ROOT / ".gitignore").read_text().splitlines()
