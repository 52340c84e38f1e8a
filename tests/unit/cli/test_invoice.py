"""`perdure costs`: how an invoice reads, and that it adds up."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from click.testing import Result
from fastapi.responses import JSONResponse

from cli.figures import ABSENT
from cli.invoice import invoice_lines
from cli.units import units_of
from tests.unit.cli.fake_api import Fake
from tests.unit.cli.rendered import text_of
from tests.unit.cli.scripts import ID

TIMES = "\N{MULTIPLICATION SIGN}"
SPEECH: dict[str, Any] = {
    "usage": {"audio_seconds": 57.235, "diarized_seconds": 57.235},
    "unit_prices": {"minute": "0.0043", "diarized_minute": "0.002"},
    "cost_usd": "0.006009675",
}
TOKENS: dict[str, Any] = {
    "usage": {
        "input_tokens": 12155,
        "cached_input_tokens": 10000,
        "cache_write_input_tokens": 55,
        "output_tokens": 425,
    },
    "unit_prices": {
        "input_mtok": "1",
        "cached_input_mtok": "0.1",
        "cache_write_input_mtok": "1.25",
        "output_mtok": "5",
    },
    "cost_usd": "0.00529375",
}
CHARACTERS: dict[str, Any] = {
    "usage": {"characters": 1234},
    "unit_prices": {"character": "0.000001"},
    "cost_usd": "0.001234",
}


def line(step: str, who: str, **fields: Any) -> dict[str, Any]:
    provider, _, model = who.partition("/")
    common = {
        "step": step,
        "item": None,
        "candidate": 0,
        "provider": provider,
        "model": model,
        "call_id": f"{ID}/{step}",
        "attempt": 1,
        "state": "confirmed",
        "outcome": "success",
        "usage": None,
        "unit_prices": None,
        "price_source": "a list",
        "cost_usd": "0",
        "bound_usd": None,
        "duplicate": False,
        "opened_at": "2026-11-28T12:00:00Z",
        "entered_at": None,
    }
    return common | fields


def invoice(*lines: dict[str, Any], total: str | None, **fields: Any) -> dict[str, Any]:
    known = sum((Decimal(one["cost_usd"] or 0) for one in lines), Decimal(0))
    return {
        "execution_id": ID,
        "pipeline_name": "call_insights",
        "pipeline_version": "1.0.0",
        "admitted_on": "2026-11-28",
        "ended_at": "2026-11-28T12:00:10Z",
        "total_cost_usd": total,
        "known_cost_usd": f"{known:f}",
        "lines": list(lines),
    } | fields


LOST = line("note", "anthropic/haiku", item=12, state="unconfirmed", cost_usd=None)
BODY = invoice(
    line("transcribe", "deepgram/nova-3", duplicate=True, **SPEECH),
    line("transcribe", "deepgram/nova-3", attempt=2, **SPEECH),
    line("hide", "accent/pii", outcome="rate_limited"),
    line("hide", "accent/pii", attempt=2, **CHARACTERS),
    LOST | {"outcome": "worker_lost", "bound_usd": "0.00123"},
    line("note", "anthropic/haiku", attempt=2, item=12, **TOKENS),
    line("mood", "local/vader", usage={"characters": 1234}, unit_prices={}),
    line("end", "local/sumy", state="cancelled", outcome="cancelled"),
    total=None,
)
TABLE = f"""\
call_insights@1.0.0  {ID}  2026-11-28

  ✓ transcribe  deepgram/nova-3  1  success       $0.006009675
    57.235 s x $0.0043/min + 57.235 s x $0.002/min for speakers
    duplicate: the call had been answered, and paid, already
  ✓ transcribe  deepgram/nova-3  2  success       $0.006009675
    57.235 s x $0.0043/min + 57.235 s x $0.002/min for speakers
  ✗ hide        accent/pii       1  rate_limited  $0.00
  ✓ hide        accent/pii       2  success       $0.001234
    1,234 characters x $1.00/1M
  ? note[12]    anthropic/haiku  1  worker_lost        unknown
    unconfirmed: it may have been sold, for $0.00123 at most
  ✓ note[12]    anthropic/haiku  2  success       $0.00529375
    2,100 in x $1.00/1M + 10,000 from cache x $0.10/1M + 55 to cache x $1.25/1M
    + 425 out x $5.00/1M
  ✓ mood        local/vader      1  success       $0.00
    1,234 characters, free
  ~ end         local/sumy       1  cancelled     $0.00

  known                                           $0.0185471
    The total is unknown: at least $0.018547, at most $0.019777.""".replace(
    " x ", f" {TIMES} "
).replace("~", ABSENT)


@pytest.fixture
def costing(fake: Fake) -> Fake:
    fake.answers[f"GET /{ID}/costs"] = [JSONResponse(BODY)]
    return fake


def told(body: dict[str, Any], width: int = 80) -> str:
    return text_of(invoice_lines(body, width), width)


def squeezed(text: str) -> str:
    """Leave one space where the table has many."""
    return re.sub(r"(?<=\S) {2,}", "  ", text)


def test_every_attempt_is_a_line_with_what_was_used_and_what_is_odd() -> None:
    assert squeezed(told(BODY)) == squeezed(TABLE)


def test_units_stand_beside_where_all_of_them_fit() -> None:
    body = invoice(line("hide", "accent/pii", **CHARACTERS), total="0.001234")
    assert squeezed(told(body)).splitlines()[2:] == [
        f"  ✓ hide  accent/pii  1  success  1,234 characters {TIMES} $1.00/1M  $0.001234",
        "",
        "  total  $0.001234",
    ]


def test_the_lines_add_up_to_the_sum_below_them() -> None:
    found = re.findall(r"^  \S.*\$([\d.]+)$", told(BODY), re.MULTILINE)
    *lines, total = map(Decimal, found)
    assert len(lines) == len(BODY["lines"]) - 1
    assert sum(lines) == total == Decimal(BODY["known_cost_usd"])


def test_amounts_end_the_lines_with_their_points_below_one_another() -> None:
    rows = [row for row in told(BODY).splitlines() if re.search(r"^  \S.*\$[\d.]+$", row)]
    assert len({row.rindex("$") for row in rows}) == 1


@pytest.mark.parametrize("fields", [SPEECH, TOKENS, CHARACTERS], ids=["s", "tokens", "characters"])
def test_units_times_prices_are_the_cost(fields: dict[str, Any]) -> None:
    per = {"1M": 1_000_000, "min": 60}
    products = re.findall(rf"([\d.,]+) [^{TIMES}+]*{TIMES} \$([\d.]+)/(1M|min)", units_of(fields))
    costs = (Decimal(n.replace(",", "")) * Decimal(price) / per[u] for n, price, u in products)
    assert sum(costs) == Decimal(fields["cost_usd"])


def test_a_unit_without_a_price_is_not_said_to_be_free() -> None:
    fields = {**TOKENS, "unit_prices": {"input_mtok": "1"}, "cost_usd": None}
    assert units_of(fields).endswith(f"425 out {TIMES} {ABSENT}/1M")
    assert units_of({"usage": {"characters": 7}, "unit_prices": {}, "cost_usd": None}) == (
        f"7 characters {TIMES} {ABSENT}/1M"
    )


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        (
            {"usage": {"characters": 7}, "unit_prices": {}, "price_source": "no list has it"},
            "the price is unknown: no list has it",
        ),
        (
            {"usage": {}, "unit_prices": {"character": "1"}},
            "the cost is unknown: the provider did not say what was used",
        ),
        (
            {"state": "unconfirmed", "outcome": "timeout"},
            "unconfirmed: it may have been sold, nobody knows for how much",
        ),
    ],
)
def test_a_cost_that_is_unknown_has_its_reason(fields: dict[str, Any], note: str) -> None:
    text = told(invoice(line("hide", "accent/pii", cost_usd=None, **fields), total=None))
    assert f"\n    {note}\n" in text
    assert text.endswith("The total is unknown.")


def test_a_call_under_way_is_not_doubted_yet() -> None:
    going_on = line("hide", "accent/pii", state="open", outcome=None, cost_usd=None)
    row = squeezed(told(invoice(going_on, total=None, ended_at=None))).splitlines()[2:4]
    assert row == ["  ● hide  accent/pii  1  under way  unknown", ""]


@pytest.mark.parametrize(
    ("entered_at", "notes"),
    [
        ("2026-11-28T12:00:09Z", []),
        ("2026-11-28T12:00:10.900Z", []),
        ("2026-11-28T12:02:15Z", ["    entered 2:05 after the run had ended"]),
    ],
)
def test_an_entry_that_came_after_the_end_is_marked(entered_at: str, notes: list[str]) -> None:
    late = line("hide", "accent/pii", entered_at=entered_at)
    assert told(invoice(late, total="0")).splitlines()[3:-2] == notes


def test_where_the_end_is_unknown_nothing_is_said_to_be_late() -> None:
    late = line("hide", "accent/pii", entered_at="2026-11-29T12:00:00Z")
    assert "after the run" not in told(invoice(late, total="0", ended_at=None))


def test_a_run_without_calls_costs_nothing() -> None:
    assert squeezed(told(invoice(total="0", admitted_on=None))).splitlines() == [
        f"call_insights@1.0.0  {ID}",
        "",
        "No call was made.",
        "",
        "  total  $0.00",
    ]


def test_no_line_is_longer_than_the_terminal() -> None:
    long = line("a_step_with_a_name_of_many_words_that_is_long", "compatible/" + "m" * 128)
    body = invoice(*BODY["lines"], long, total=None)
    for width in (60, 80, 120):
        assert max(map(len, told(body, width).splitlines())) <= width


def test_what_came_through_the_api_is_harmless() -> None:
    evil = line("\x1b[2Jone", "\x1b]0;evil\x07/m", outcome="\x1b[2J", price_source="\x1b[2J")
    text = told(invoice(evil | {"cost_usd": None, "usage": {"characters": 1}}, total=None))
    assert "\x1b" not in text


def test_the_invoice_of_a_run_is_asked_for(perdure: Callable[..., Result], costing: Fake) -> None:
    done = perdure("costs", ID)
    assert (done.exit_code, len(costing.asked("GET", f"/{ID}/costs"))) == (0, 1)
    assert done.stdout.startswith(f"call_insights@1.0.0  {ID}  2026-11-28\n\n  ✓ transcribe")


def test_json_is_the_answer_as_it_is(perdure: Callable[..., Result], costing: Fake) -> None:
    assert json.loads(perdure("costs", ID, "--json").stdout) == BODY
    assert costing.requests


def test_an_unknown_run_is_one_line(perdure: Callable[..., Result], fake: Fake) -> None:
    done = perdure("costs", ID[:-1] + "0")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: there is no ")
    assert perdure("costs", "budget").exit_code == 2
    assert len(fake.requests) == 1
