"""`perdure budget`, `budget set` and `budget spend`: what is asked, and how the answer reads."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from click.testing import Result
from fastapi.responses import JSONResponse
from rich.console import RenderableType

from cli.budget import status_lines
from cli.figures import exact, in_column, percent
from cli.spending import spend_lines
from tests.unit.cli.fake_api import Fake, problem
from tests.unit.cli.rendered import text_of

Perdure = Callable[..., Result]

NOW = datetime(2026, 11, 28, tzinfo=UTC).timestamp()
STATUS = {
    "tenant_id": "support",
    "limit_usd": "100",
    "spent_usd": "34.12",
    "reserved_usd": "5.004101841667",
    "remaining_usd": "60.875898158333",
    "policy": "soft_block",
    "period_start": "2026-11-01T00:00:00Z",
    "period_end": "2026-12-01T00:00:00Z",
    "resets_at": "2026-12-01T00:00:00Z",
}
NOTHING = {"total_usd": "0", "unconfirmed_usd": "0", "unpriced_calls": 0, "groups": []}
PIPELINES = {
    **NOTHING,
    "total_usd": "34.12",
    "unconfirmed_usd": "0.01",
    "groups": [
        {"pipeline": "call_analysis@1.0.0", "cost_usd": "34.02", "calls": 120},
        {"pipeline": "mine@2.0.0", "cost_usd": "0.1", "calls": 1},
        {"pipeline": "free@1.0.0", "cost_usd": "0", "calls": 7},
    ],
}
MODELS = {
    **NOTHING,
    "total_usd": "34.12",
    "groups": [
        {"provider": f"p{number}", "model": "m", "cost_usd": "4.874285714285", "calls": number}
        for number in range(1, 8)
    ],
}
OVERVIEW = """\
support · November 2026

  ████████████████████▒▒▒░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  39 %
  █ spent     $34.12
  ▒ reserved   $5.004102
  ░ left      $60.875898  of $100.00

soft_block: a run starts while its estimate fits into what is left.
Resets at 2026-12-01 00:00 UTC, in 3 days.
"""
TOP = """
Top pipelines
  call_analysis@1.0.0  $34.02  >99 %  120 calls
  mine@2.0.0            $0.10   <1 %  1 call

Top models
  p1/m  $4.874286   14 %  1 call
  p2/m  $4.874286   14 %  2 calls
  p3/m  $4.874286   14 %  3 calls
  p4/m  $4.874286   14 %  4 calls
  p5/m  $4.874286   14 %  5 calls
  and 2 more: `perdure budget spend`

Attempts that are under way or unconfirmed may cost more: $0.01 at most.
"""


@pytest.fixture
def month(fake: Fake) -> Fake:
    fake.answers["GET /budget/status"] = [JSONResponse(STATUS)]
    fake.answers["GET /budget/spend"] = [JSONResponse(PIPELINES), JSONResponse(MODELS)]
    return fake


def status_text(width: int = 80, now: float = NOW, **fields: Any) -> str:
    return text_of(status_lines(STATUS | fields, width, now), width)


def bar_of(**fields: Any) -> tuple[int, int, int]:
    """Return the cells of each part of the bar."""
    line = status_text(**fields).splitlines()[2]
    return line.count("█"), line.count("▒"), line.count("░")


def test_a_month_is_a_bar_with_its_figures_and_what_happens_at_the_limit() -> None:
    assert status_text() == OVERVIEW.rstrip()


def test_the_overview_ends_with_who_spends_most(perdure: Perdure, month: Fake) -> None:
    done = perdure("budget")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("support · November 2026\n")
    assert done.stdout.endswith(TOP)
    assert month.asked("GET", "/budget/status")[0].query == {}
    days = {"from": "2026-11-01", "to": "2026-12-01"}
    assert [request.query for request in month.asked("GET", "/budget/spend")] == [
        days | {"group_by": "pipeline"},
        days | {"group_by": "provider,model"},
    ]


@pytest.mark.parametrize(
    ("spent", "reserved", "left", "cells"),
    [
        ("0", "0", "100", (0, 0, 60)),
        ("50", "0", "50", (30, 0, 30)),
        ("0.01", "0.01", "99.98", (1, 1, 58)),
        ("99.99", "0", "0.01", (59, 0, 1)),
        ("100", "0", "0", (60, 0, 0)),
        ("90", "60", "0", (36, 24, 0)),
    ],
)
def test_what_is_not_nothing_has_a_part_of_the_bar(
    spent: str, reserved: str, left: str, cells: tuple[int, int, int]
) -> None:
    assert bar_of(spent_usd=spent, reserved_usd=reserved, remaining_usd=left) == cells


def test_a_limit_that_is_passed_is_told_by_how_much() -> None:
    text = status_text(spent_usd="101", reserved_usd="1.5", remaining_usd="0")
    assert "░ left        $0.00  of $100.00, $2.50 over" in text
    assert "Nothing is left: until then only runs that cost nothing start." in text


def test_under_warn_nothing_is_said_to_be_refused() -> None:
    text = status_text(spent_usd="101", remaining_usd="0", policy="warn")
    assert "warn: nothing is refused." in text
    assert "Nothing is left" not in text


def test_a_limit_of_nothing_has_no_percentage() -> None:
    text = status_text(
        limit_usd="0", spent_usd="0", reserved_usd="0", remaining_usd="0", policy="hard_block"
    )
    assert text.splitlines()[2] == "  " + "░" * 60
    assert "and no call begins that could pass the limit" in " ".join(text.split())


def test_a_month_that_is_over_does_not_reset() -> None:
    text = status_text(now=NOW + 7 * 86_400)
    assert text.endswith("The month is over; limit and policy are those of today.")
    assert "Resets" not in text


@pytest.mark.parametrize(
    ("before_end", "told"), [(60, "1 hour"), (46 * 3600, "46 hours"), (48 * 3600, "2 days")]
)
def test_the_time_until_the_reset_is_told_in_days_or_hours(before_end: float, told: str) -> None:
    end = NOW + 72 * 3600
    assert f"Resets at 2026-12-01 00:00 UTC, in {told}." in status_text(now=end - before_end)


def test_no_line_is_longer_than_the_terminal() -> None:
    for width in (40, 60, 80, 120):
        assert max(map(len, status_text(width, policy="hard_block").splitlines())) <= width


def test_a_past_month_is_asked_for(perdure: Perdure, month: Fake) -> None:
    assert perdure("budget", "--period", "2026-10").exit_code == 0
    assert month.asked("GET", "/budget/status")[0].query == {"period": "2026-10"}


def test_a_period_that_the_api_refuses_is_one_line(perdure: Perdure, fake: Fake) -> None:
    refused = problem(422, "invalid", "'period' takes a month, such as 2026-11.")
    fake.answers["GET /budget/status"] = [refused]
    done = perdure("budget", "--period", "november")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: 'period' takes a month, such as 2026-11.\n"


def test_json_is_the_answer_as_it_is(perdure: Perdure, month: Fake) -> None:
    assert json.loads(perdure("budget", "--json").stdout) == STATUS
    assert month.asked("GET", "/budget/spend") == []


@pytest.mark.parametrize("option", ["--json", "--period=2026-10", "--api-url=http://x"])
def test_an_option_before_a_command_is_not_ignored(
    perdure: Perdure, fake: Fake, option: str
) -> None:
    done = perdure("budget", option, "spend")
    assert (done.exit_code, done.stderr) == (2, "error: options stand after `budget spend`\n")
    assert fake.requests == []


@pytest.mark.parametrize(
    ("args", "body"),
    [
        (["50"], {"limit_usd": "50"}),
        (["$99.50", "--policy", "hard_block"], {"limit_usd": "99.50", "policy": "hard_block"}),
    ],
)
def test_a_limit_is_set_as_it_was_typed(
    perdure: Perdure, fake: Fake, args: list[str], body: dict[str, str]
) -> None:
    fake.answers["PUT /budget"] = [JSONResponse(STATUS)]
    done = perdure("budget", "set", *args)
    assert done.exit_code == 0, done.output
    assert fake.asked("PUT", "/budget")[0].json == body
    assert "░ left      $60.875898  of $100.00" in done.stdout


def test_a_limit_that_was_set_is_json_where_asked(perdure: Perdure, fake: Fake) -> None:
    fake.answers["PUT /budget"] = [JSONResponse(STATUS)]
    assert json.loads(perdure("budget", "set", "50", "--json").stdout) == STATUS


@pytest.mark.parametrize("args", [["much"], ["NaN"], ["50", "--policy", "block"], []])
def test_what_is_no_limit_is_not_sent(perdure: Perdure, fake: Fake, args: list[str]) -> None:
    assert perdure("budget", "set", *args).exit_code == 2
    assert fake.requests == []


def test_spending_is_asked_for_by_pipeline_of_this_month(perdure: Perdure, month: Fake) -> None:
    done = perdure("budget", "spend")
    assert done.exit_code == 0, done.output
    assert month.asked("GET", "/budget/spend")[0].query == {"group_by": "pipeline"}
    assert done.stdout == (
        "PIPELINE             COST    CALLS\n"
        "call_analysis@1.0.0  $34.02    120\n"
        "mine@2.0.0            $0.10      1\n"
        "free@1.0.0            $0.00      7\n"
        "total                $34.12\n"
        "\n"
        "Attempts that are under way or unconfirmed may cost more: $0.01 at most.\n"
    )


def test_days_and_names_are_passed_on(perdure: Perdure, month: Fake) -> None:
    days = ("--from", "2026-11-01", "--to", "2026-11-08")
    perdure("budget", "spend", *days, "--by", "step,day", "--by", "tag")
    assert month.asked("GET", "/budget/spend")[0].query == {
        "from": "2026-11-01",
        "to": "2026-11-08",
        "group_by": "step,day,tag",
    }


def test_columns_stand_in_the_order_that_was_asked_for() -> None:
    group = {"model": "m", "step": "redact", "tag": None, "cost_usd": "1", "calls": 2}
    body = {**NOTHING, "total_usd": "1", "groups": [group]}
    head, row, _ = spend_text(body, "step", "tag", "model").splitlines()
    assert head.split() == ["STEP", "TAG", "MODEL", "COST", "CALLS"]
    assert row.split() == ["redact", "\N{EN DASH}", "m", "$1.00", "2"]


def spend_text(body: dict[str, Any], *names: str) -> str:
    return text_of(spend_lines(body, names))


def test_where_nothing_was_spent_that_is_said() -> None:
    assert spend_text(NOTHING) == "Nothing was spent."


def test_what_is_in_no_sum_is_told() -> None:
    body = {**PIPELINES, "unconfirmed_usd": None, "unpriced_calls": 2}
    assert spend_text(body, "pipeline").splitlines()[-2:] == [
        "Attempts that are under way or unconfirmed may cost more; nobody knows how much.",
        "The cost of 2 calls is unknown, and in no sum.",
    ]


def test_spending_as_json_is_the_answer_as_it_is(perdure: Perdure, month: Fake) -> None:
    assert json.loads(perdure("budget", "spend", "--json").stdout) == PIPELINES
    assert month.requests


def test_what_came_through_the_api_is_harmless() -> None:
    group = {"tag": "\x1b[2Jone", "cost_usd": "1", "calls": 1}
    lines: list[RenderableType] = [
        *spend_lines({**NOTHING, "groups": [group]}, ["tag"]),
        *status_lines(STATUS | {"tenant_id": "\x1b]0;evil\x07", "policy": "\x1b[2J"}, 80, NOW),
    ]
    assert "\x1b" not in text_of(lines)


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        ("0", "$0.00"),
        ("0.000000000001", "$0.000000000001"),
        ("1.50", "$1.50"),
        ("12.3400", "$12.34"),
        ("100", "$100.00"),
        (None, "unknown"),
    ],
)
def test_an_exact_amount_has_every_digit(amount: str | None, told: str) -> None:
    assert exact(amount) == told


def test_decimal_points_stand_below_one_another_and_words_end_the_column() -> None:
    assert in_column(["$0.012345", "$10.50", "unknown"]) == [
        " $0.012345",
        "$10.50    ",
        "   unknown",
    ]
    assert in_column(["$0.00", "unknown"]) == ["  $0.00", "unknown"]
    assert in_column([]) == []


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("0", "0 %"),
        ("0.001", "<1 %"),
        ("50", "50 %"),
        ("99.9", ">99 %"),
        ("100", "100 %"),
        ("844", "844 %"),
    ],
)
def test_a_part_that_is_not_all_is_not_called_all(part: str, told: str) -> None:
    assert percent(Decimal(part), Decimal(100)) == told
