"""What was spent: by group, by run, and that it is one sum."""

import asyncio
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx2
import pytest
from click.testing import CliRunner
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from api.schemas import BudgetStatus, CostLine, CostsAnswer, SpendAnswer
from cli.main import main
from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.calls import Intent, Receipt, Sale
from ledger.database import reading
from ledger.reports import GroupBy
from ledger.runs import RunRequest
from ledger.tables import entries
from settings import ROOT, Settings
from tests.api.conftest import Remote
from tests.problems import problem_of
from tests.runs import QueueOnly, redact_then_summarize, start
from tests.shop import ONE_STEP, OTHER, TWO_STEPS, costs, get, lines_of, run, spend, status

FORGOTTEN = f"exec-{'0' * 26}"
CALL = Intent(FORGOTTEN, "default", "redact", "sim", "model-1", f"{FORGOTTEN}/redact/0", 1)
SALE = Sale({"characters": 7}, {"character": "0.1"}, Decimal("0.7"), "a test")
ANSWER = Receipt({"text": "[NAME] called"})
TODAY = datetime.now(UTC).date()
GROUPS = "It takes a comma list of day, pipeline, provider, model, step, tag."


@pytest.fixture
def ledger(engine: AsyncEngine, settings: Settings) -> Ledger:
    return Ledger(engine, Budget.of(settings))


@pytest.mark.usefixtures("clerk")
async def test_spending_is_told_by_what_was_asked_for(paid: httpx2.AsyncClient) -> None:
    await run(paid, tags={"team": "red", "shift": "late"})
    await run(paid, pipeline=TWO_STEPS)
    assert await spend(paid) == {
        "total_usd": "0.033",
        "unconfirmed_usd": "0",
        "unpriced_calls": 0,
        "groups": [],
    }
    two, one = ("two_steps@1.0.0", "one_step@1.0.0")
    assert (await spend(paid, group_by="pipeline"))["groups"] == [
        {"pipeline": two, "cost_usd": "0.022", "calls": 2},
        {"pipeline": one, "cost_usd": "0.011", "calls": 1},
    ]
    assert (await spend(paid, group_by="provider, model,,model"))["groups"] == [
        {"provider": "sim", "model": "model-1", "cost_usd": "0.033", "calls": 3}
    ]
    assert (await spend(paid, group_by="step,day"))["groups"] == [
        {"step": "redact", "day": str(TODAY), "cost_usd": "0.022", "calls": 2},
        {"step": "summarize", "day": str(TODAY), "cost_usd": "0.011", "calls": 1},
    ]
    assert (await spend(paid, group_by="tag"))["groups"] == [
        {"tag": None, "cost_usd": "0.022", "calls": 2},
        {"tag": "shift:late", "cost_usd": "0.011", "calls": 1},
        {"tag": "team:red", "cost_usd": "0.011", "calls": 1},
    ]
    theirs = await get(paid, "/budget/spend?group_by=day", headers=OTHER)
    assert (theirs["total_usd"], theirs["groups"]) == ("0", [])


@pytest.mark.usefixtures("clerk")
async def test_spending_is_told_of_whole_days(paid: httpx2.AsyncClient) -> None:
    await run(paid)
    today, tomorrow = str(TODAY), str(TODAY + timedelta(days=1))
    totals = [
        (await spend(paid, **query))["total_usd"]
        for query in (
            {"from": today, "to": tomorrow},
            {"from": today},
            {"from": "2026-01-01", "to": today},
            {"from": tomorrow, "to": "2999-12-31"},
        )
    ]
    assert totals == ["0.011", "0.011", "0", "0"]


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ({"from": "1st of May"}, "'from' takes a day, such as 2026-11-30."),
        ({"from": "2026-5-1"}, "'from' takes a day, such as 2026-11-30."),
        ({"to": "20260501"}, "'to' takes a day, such as 2026-11-30."),
        ({"to": "2026-02-30"}, "'to' takes a day that there is, such as 2026-11-30."),
        (
            {"from": "2026-05-02", "to": "2026-05-02"},
            "'to' (2026-05-02) must come after 'from' (2026-05-02): it is left out.",
        ),
        (
            {"group_by": "day,modle"},
            f"'group_by' takes no 'modle'. Did you mean 'model'? {GROUPS}",
        ),
        (
            {"group_by": "Tags"},
            f"'group_by' takes no 'Tags'. Did you mean 'tag'? {GROUPS}",
        ),
    ],
)
async def test_what_can_not_be_told_is_refused(
    door: httpx2.AsyncClient, query: dict[str, str], detail: str
) -> None:
    answer = await door.get("/budget/spend", params=query)
    assert problem_of(answer, 422, "invalid")["detail"] == detail


@pytest.mark.usefixtures("clerk")
async def test_an_invoice_has_a_line_for_each_attempt(paid: httpx2.AsyncClient) -> None:
    result = await run(paid, "flaky Jane")
    invoice = await costs(paid, result["execution_id"])
    first, second = invoice.pop("lines")
    assert invoice.pop("ended_at").endswith("Z")
    assert invoice == {
        "execution_id": result["execution_id"],
        "pipeline_name": "one_step",
        "pipeline_version": "1.0.0",
        "admitted_on": str(TODAY),
        "total_cost_usd": "0.02",
        "known_cost_usd": "0.02",
    }
    for name in ("opened_at", "entered_at"):
        earlier, later = first.pop(name), second.pop(name)
        assert datetime.fromisoformat(earlier) < datetime.fromisoformat(later)
    bought = {
        "step": "redact",
        "item": None,
        "candidate": 0,
        "provider": "sim",
        "model": "model-1",
        "call_id": first["call_id"],
        "state": "confirmed",
        "usage": {"characters": 10},
        "unit_prices": {"character": "0.001"},
        "price_source": "AI_SIMULATED_PROVIDERS",
        "cost_usd": "0.01",
        "bound_usd": None,
        "duplicate": False,
    }
    assert first == bought | {"attempt": 1, "outcome": "provider_fault"}
    assert second == bought | {"attempt": 2, "outcome": "success"}


@pytest.mark.usefixtures("clerk")
async def test_times_of_an_invoice_are_in_utc(paid: httpx2.AsyncClient) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    (line,) = (await costs(paid, (await run(paid))["execution_id"]))["lines"]
    for name in ("opened_at", "entered_at"):
        assert line[name].endswith("Z")
        assert before < datetime.fromisoformat(line[name]) < datetime.now(UTC)


@pytest.mark.usefixtures("clerk")
async def test_attempts_that_cost_nothing_are_lines_too(paid: httpx2.AsyncClient) -> None:
    result = await run(paid, "busy Jane")
    assert lines_of(await costs(paid, result["execution_id"])) == [
        (1, "confirmed", "rate_limited", "0"),
        (2, "confirmed", "success", "0.009"),
    ]


@pytest.mark.usefixtures("clerk")
async def test_a_refusal_that_was_sold_is_a_line_of_a_failed_run(paid: httpx2.AsyncClient) -> None:
    result = await run(paid, "rude Jane")
    assert result["status"] == "failed"
    invoice = await costs(paid, result["execution_id"])
    assert lines_of(invoice) == [(1, "confirmed", "refused", "0.009")]
    assert invoice["total_cost_usd"] == result["total_cost_usd"] == "0.009"


@pytest.mark.usefixtures("clerk")
async def test_what_nobody_knows_the_cost_of_makes_the_total_unknown(
    paid: httpx2.AsyncClient,
) -> None:
    result = await run(paid, "mute Jane")
    invoice = await costs(paid, result["execution_id"])
    assert lines_of(invoice) == [(1, "confirmed", "success", None)]
    assert (invoice["total_cost_usd"], invoice["known_cost_usd"]) == (None, "0")
    assert (await spend(paid))["unpriced_calls"] == 1


@pytest.mark.usefixtures("clerk")
async def test_an_invoice_is_its_tenants_own(paid: httpx2.AsyncClient) -> None:
    execution_id = (await run(paid))["execution_id"]
    answer = await paid.get(f"/{execution_id}/costs", headers=OTHER)
    problem = problem_of(answer, 404, "not_found")
    unknown = await paid.get(f"/exec-{'0' * 26}/costs", headers=OTHER)
    assert problem == problem_of(unknown, 404, "not_found")


@pytest.mark.parametrize("execution_id", ["budget", "exec-short", f"exec-{'u' * 26}"])
async def test_what_is_no_id_has_no_invoice(door: httpx2.AsyncClient, execution_id: str) -> None:
    problem_of(await door.get(f"/{execution_id}/costs"), 404, "not_found")


async def test_an_invoice_outlives_temporals_memory_of_the_run(
    paid: httpx2.AsyncClient, ledger: Ledger
) -> None:
    await ledger.runs.reserve(RunRequest("default", FORGOTTEN, "p@1.0.0", Decimal(1)))
    problem_of(await paid.get(f"/{FORGOTTEN}"), 404, "not_found")
    invoice = await costs(paid, FORGOTTEN)
    assert (invoice["pipeline_name"], invoice["pipeline_version"]) == ("p", "1.0.0")
    assert (invoice["admitted_on"], invoice["ended_at"]) == (str(TODAY), None)
    answer = await paid.get(f"/{FORGOTTEN}/costs", headers=OTHER)
    problem_of(answer, 404, "not_found")


async def test_an_invoice_is_answered_while_temporal_is_away(
    remote: Remote, ledger: Ledger
) -> None:
    await ledger.runs.reserve(RunRequest("default", FORGOTTEN, "p@1.0.0", Decimal(1)))
    await remote.relay.cut()
    assert (await costs(remote.api, FORGOTTEN))["total_cost_usd"] == "0"
    assert (await status(remote.api))["reserved_usd"] == "1"
    await remote.relay.mend()


async def test_a_run_that_was_never_admitted_has_an_invoice_of_nothing(
    paid: httpx2.AsyncClient, client: Client, settings: Settings
) -> None:
    handle = await start(QueueOnly(client, settings.ai_task_queue), redact_then_summarize())
    theirs = {"X-Tenant-ID": "tenant-1"}
    invoice = await costs(paid, handle.id, headers=theirs)
    assert invoice == {
        "execution_id": handle.id,
        "pipeline_name": "two_steps",
        "pipeline_version": "1.0.0",
        "admitted_on": None,
        "ended_at": None,
        "total_cost_usd": "0",
        "known_cost_usd": "0",
        "lines": [],
    }
    problem_of(await paid.get(f"/{handle.id}/costs"), 404, "not_found")


async def sell(ledger: Ledger, usd: Decimal) -> None:
    """Book a run of one call."""
    await ledger.runs.reserve(RunRequest("default", FORGOTTEN, "p@1.0.0", Decimal(1)))
    await ledger.calls.begin(CALL)
    await ledger.calls.close(CALL, replace(SALE, cost_usd=usd), "success", receipt=ANSWER)
    await ledger.runs.settle(FORGOTTEN)


async def test_a_zombies_entry_after_the_end_is_marked_and_in_every_sum(
    paid: httpx2.AsyncClient, ledger: Ledger
) -> None:
    await ledger.runs.reserve(RunRequest("default", FORGOTTEN, "p@1.0.0", Decimal(1)))
    second = replace(CALL, attempt=2)
    await ledger.calls.begin(CALL)
    await ledger.calls.begin(second)
    assert (await costs(paid, FORGOTTEN))["total_cost_usd"] is None
    await ledger.calls.close(second, SALE, "success", receipt=ANSWER)
    await ledger.runs.settle(FORGOTTEN)
    await ledger.calls.close(CALL, SALE, "success", receipt=ANSWER)
    invoice = await costs(paid, FORGOTTEN)
    assert [(line["attempt"], line["duplicate"]) for line in invoice["lines"]] == [
        (1, True),
        (2, False),
    ]
    assert invoice["total_cost_usd"] == (await spend(paid))["total_usd"] == "1.4"
    assert (await status(paid))["spent_usd"] == "1.4"


async def printed(paid: httpx2.AsyncClient, execution_id: str) -> list[Decimal]:
    """Return the figures that `perdure costs` prints: those of its lines, and their sum."""
    url = f"http://127.0.0.1:{paid.base_url.port}"
    command = ["costs", execution_id, "--api-url", url]
    done = await asyncio.to_thread(CliRunner().invoke, main, command, catch_exceptions=False)
    found = re.findall(r"^  \S.* \$([\d.]+)$", done.stdout, re.MULTILINE)
    assert "  total " in done.stdout
    return [Decimal(figure) for figure in found]


@pytest.mark.usefixtures("clerk")
async def test_invoices_spending_and_entries_are_one_sum_to_the_last_digit(
    paid: httpx2.AsyncClient, ledger: Ledger, engine: AsyncEngine
) -> None:
    texts = ("Jane called", "flaky Jane", "busy Jane", "rude Jane", "Ünïcode ✓")
    ids = [
        (await run(paid, text, pipeline=pipeline))["execution_id"]
        for text in texts
        for pipeline in (ONE_STEP, TWO_STEPS)
    ]
    await sell(ledger, Decimal("1.123456789012"))
    await run(paid, "somebody else", headers=OTHER)
    total = Decimal(0)
    for execution_id in (*ids, FORGOTTEN):
        invoice = await costs(paid, execution_id)
        *lines, whole = await printed(paid, execution_id)
        assert lines == [Decimal(line["cost_usd"]) for line in invoice["lines"]]
        assert sum(lines) == whole == Decimal(invoice["total_cost_usd"])
        total += whole
    told = await spend(paid, group_by="day,step,tag")
    assert Decimal(told["total_usd"]) == total
    assert sum(Decimal(group["cost_usd"]) for group in told["groups"]) == total
    assert Decimal((await status(paid))["spent_usd"]) == total
    async with reading(engine) as connection:
        query = select(entries.c.cost_usd).filter_by(tenant_id="default")
        rows = (await connection.execute(query)).scalars().all()
    assert sum(rows) == total
    assert f"{total:f}".endswith("456789012")
    assert await ledger.reports.verify() == []


def test_the_examples_of_the_reference_have_what_is_answered() -> None:
    _, _, section = (ROOT / "docs" / "api.md").read_text().partition("## Budgets and costs")
    section, _, _ = section.partition("\n## ")
    examples = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", section, re.DOTALL)]
    models: tuple[type[BaseModel], ...] = (BudgetStatus, SpendAnswer, CostLine)
    for model, example in zip(models, examples, strict=True):
        assert set(example) == set(model.model_fields)
        assert model.model_validate(example)
    assert set(re.findall(r"`(\w+)`", section)) >= CostsAnswer.model_fields.keys()
    assert all(f"`{by}`" in section for by in GroupBy)
