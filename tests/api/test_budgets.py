"""How much a tenant may spend, and what happens at the limit."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from temporalio.client import Client

from ledger.budgets import end_of, period_of
from settings import Settings
from tests.problems import pointers_of, problem_of
from tests.runs import StartWorker, eventually
from tests.scripted import BoundedAdapter
from tests.shop import (
    ONE_STEP,
    OTHER,
    REDACT,
    TEXT,
    TWO_STEPS,
    costs,
    lines_of,
    register,
    run,
    status,
)

TODAY = datetime.now(UTC).date()


async def test_a_tenant_without_a_budget_has_the_default(paid: httpx2.AsyncClient) -> None:
    period = period_of(TODAY)
    ends = f"{end_of(period):%Y-%m-%dT%H:%M:%SZ}"
    assert await status(paid) == {
        "tenant_id": "default",
        "limit_usd": "100",
        "spent_usd": "0",
        "reserved_usd": "0",
        "remaining_usd": "100",
        "policy": "soft_block",
        "period_start": f"{period}-01T00:00:00Z",
        "period_end": ends,
        "resets_at": ends,
    }


async def test_a_limit_holds_at_once_and_without_a_policy_the_old_one_stays(
    paid: httpx2.AsyncClient,
) -> None:
    body = {"limit_usd": "50.00", "policy": "hard_block"}
    answer = await paid.put("/budget", json=body)
    assert answer.status_code == 200
    assert answer.json() == await status(paid)
    assert (answer.json()["limit_usd"], answer.json()["policy"]) == ("50", "hard_block")
    again = (await paid.put("/budget", json={"limit_usd": "20.5", "policy": None})).json()
    assert (again["limit_usd"], again["policy"]) == ("20.5", "hard_block")
    assert again["remaining_usd"] == "20.5"


async def test_a_budget_is_a_tenants_own(paid: httpx2.AsyncClient) -> None:
    await paid.put("/budget", json={"limit_usd": "1"}, headers=OTHER)
    assert (await status(paid, headers=OTHER))["limit_usd"] == "1"
    assert (await status(paid))["limit_usd"] == "100"


@pytest.mark.parametrize("limit", ["0", 0, 7, 0.1, "1000000", "0.000000000001"])
async def test_a_limit_that_can_be_kept_is_taken(paid: httpx2.AsyncClient, limit: Any) -> None:
    answer = await paid.put("/budget", json={"limit_usd": limit})
    assert Decimal(answer.json()["limit_usd"]) == Decimal(str(limit))


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({}, "/limit_usd", "'limit_usd' is required."),
        ({"limit_usd": None}, "/limit_usd", "'limit_usd' must be a decimal number."),
        ({"limit_usd": True}, "/limit_usd", "'limit_usd' must be a decimal number."),
        ({"limit_usd": "much"}, "/limit_usd", "'limit_usd' must be a decimal number."),
        ({"limit_usd": "NaN"}, "/limit_usd", "'limit_usd' must be a finite number."),
        ({"limit_usd": "-0.01"}, "/limit_usd", "'limit_usd' must be at least 0."),
        ({"limit_usd": 1_000_001}, "/limit_usd", "'limit_usd' may be at most 1000000."),
        (
            {"limit_usd": "0.0000000000001"},
            "/limit_usd",
            "'limit_usd' may have at most 12 decimal places.",
        ),
        (
            {"limit_usd": 1, "policy": "block"},
            "/policy",
            "'policy' must be one of 'warn', 'soft_block' or 'hard_block'.",
        ),
        (
            {"limit": 1, "limit_usd": 1},
            "/limit",
            "There is no key 'limit'. Did you mean 'limit_usd'? Known keys: limit_usd, policy.",
        ),
    ],
)
async def test_a_budget_that_does_not_fit_is_refused(
    paid: httpx2.AsyncClient, body: dict[str, Any], pointer: str, detail: str
) -> None:
    problem = problem_of(await paid.put("/budget", json=body), 422, "invalid")
    assert (pointers_of(problem), problem["detail"]) == ([pointer], detail)
    assert (await status(paid))["limit_usd"] == "100"


async def test_a_past_month_is_told_with_its_bounds(paid: httpx2.AsyncClient) -> None:
    past = await status(paid, params={"period": "2025-12"})
    assert (past["period_start"], past["period_end"]) == (
        "2025-12-01T00:00:00Z",
        "2026-01-01T00:00:00Z",
    )
    assert (past["spent_usd"], past["reserved_usd"]) == ("0", "0")


@pytest.mark.parametrize("period", ["2026-13", "2026-1", "2026", "november", "2026-11-01", "", "٢"])
async def test_what_is_no_month_is_refused(door: httpx2.AsyncClient, period: str) -> None:
    answer = await door.get("/budget/status", params={"period": period})
    detail = problem_of(answer, 422, "invalid")["detail"]
    assert detail == "'period' takes a month, such as 2026-11."


@pytest.mark.parametrize("period", ["2999-01", "9999-12"])
async def test_a_month_that_is_to_come_is_refused(door: httpx2.AsyncClient, period: str) -> None:
    answer = await door.get("/budget/status", params={"period": period})
    detail = problem_of(answer, 422, "invalid")["detail"]
    assert detail.startswith("'period' takes a month that has begun; the present one is 20")


@pytest.mark.usefixtures("clerk")
async def test_a_run_is_spent_where_it_was_reserved(paid: httpx2.AsyncClient) -> None:
    result = await run(paid)
    assert result["total_cost_usd"] == "0.011"
    month = await status(paid)
    assert (month["spent_usd"], month["reserved_usd"]) == ("0.011", "0")
    assert month["remaining_usd"] == "99.989"


async def test_a_run_that_waits_for_a_worker_is_reserved(paid: httpx2.AsyncClient) -> None:
    await register(paid, ONE_STEP)
    execution_id = (await paid.post("/execute", json=TEXT)).json()["execution_id"]
    assert (await status(paid))["reserved_usd"] == "0.011"
    invoice = await costs(paid, execution_id)
    assert (invoice["lines"], invoice["total_cost_usd"]) == ([], "0")


@pytest.mark.parametrize("policy", ["soft_block", "hard_block"])
async def test_a_run_that_does_not_fit_is_402_and_never_reaches_temporal(
    paid: httpx2.AsyncClient, client: Client, settings: Settings, policy: str
) -> None:
    await register(paid, ONE_STEP)
    await paid.put("/budget", json={"limit_usd": "0.0109", "policy": policy})
    problem = problem_of(await paid.post("/execute", json=TEXT), 402, "budget_exceeded")
    month = await status(paid)
    figures = {name: problem[name] for name in problem if name.endswith(("_usd", "_at"))}
    assert figures == {
        "limit_usd": "0.0109",
        "spent_usd": "0",
        "reserved_usd": "0",
        "estimated_cost_usd": "0.011",
        "resets_at": month["resets_at"],
    }
    assert month["reserved_usd"] == "0"
    assert problem["detail"].startswith(
        "This needs 0.011 USD, which does not fit into the month's budget of 0.0109 USD: "
        "0 USD are spent and 0 USD reserved. The next month begins at "
    )
    # What starts later is listed later: with one that was accepted, a refused one would be there.
    await paid.put("/budget", json={"limit_usd": "0.011"})
    assert (await paid.post("/execute", json=TEXT)).status_code == 202
    query = f"TaskQueue = '{settings.ai_task_queue}'"

    async def something_is_listed() -> bool:
        return (await client.count_workflows(query)).count > 0

    await eventually(something_is_listed, "the run that was accepted is listed")
    assert (await client.count_workflows(query)).count == 1
    problem = problem_of(await paid.post("/execute", json=TEXT), 402, "budget_exceeded")
    assert (problem["spent_usd"], problem["reserved_usd"]) == ("0", "0.011")


async def test_a_402_does_not_bind_its_idempotency_key(paid: httpx2.AsyncClient) -> None:
    await register(paid, ONE_STEP)
    await paid.put("/budget", json={"limit_usd": "0"})
    key = {"Idempotency-Key": "order-7"}
    problem_of(await paid.post("/execute", json=TEXT, headers=key), 402, "budget_exceeded")
    other = TEXT | {"input_data": {"text": "Jane"}}
    problem_of(await paid.post("/execute", json=other, headers=key), 402, "budget_exceeded")
    await paid.put("/budget", json={"limit_usd": "1"})
    assert (await paid.post("/execute", json=TEXT, headers=key)).status_code == 202
    problem_of(await paid.post("/execute", json=other, headers=key), 422, "idempotency_key_reused")


async def test_a_budget_of_nothing_still_lets_free_runs_in_and_warn_lets_all_in(
    paid: httpx2.AsyncClient,
) -> None:
    free = {"name": "free", "version": "1.0.0", "steps": [REDACT | {"providers": ["local"]}]}
    for pipeline in (ONE_STEP, free):
        await register(paid, pipeline)
    await paid.put("/budget", json={"limit_usd": "0"})
    assert (await paid.post("/execute", json=TEXT | {"pipeline_name": "free"})).status_code == 202
    assert (await paid.post("/execute", json=TEXT)).status_code == 402
    await paid.put("/budget", json={"limit_usd": "0", "policy": "warn"})
    assert (await paid.post("/execute", json=TEXT)).status_code == 202
    month = await status(paid)
    assert (month["reserved_usd"], month["remaining_usd"]) == ("0.011", "0")


async def test_another_tenants_budget_stops_nobody_else(paid: httpx2.AsyncClient) -> None:
    for headers in (OTHER, {}):
        await register(paid, ONE_STEP, headers)
    await paid.put("/budget", json={"limit_usd": "0"}, headers=OTHER)
    assert (await paid.post("/execute", json=TEXT, headers=OTHER)).status_code == 402
    assert (await paid.post("/execute", json=TEXT)).status_code == 202
    assert (await status(paid, headers=OTHER))["reserved_usd"] == "0"


async def test_a_runs_cap_stops_it_before_the_call_that_could_pass_it(
    paid: httpx2.AsyncClient, start_worker: StartWorker
) -> None:
    adapter = BoundedAdapter(name="sim")
    await start_worker(adapter)
    result = await run(paid, pipeline=TWO_STEPS, max_cost_usd="0.015")
    assert (result["status"], result["error"]["code"]) == ("failed", "budget_exceeded")
    assert "cap of 0.015 USD: 0.01 USD are spent and 0 USD" in result["error"]["message"]
    assert (len(adapter.calls), result["total_cost_usd"]) == (1, "0.01")
    invoice = await costs(paid, result["execution_id"])
    assert lines_of(invoice) == [(1, "confirmed", "success", "0.01")]
    assert (await run(paid, pipeline=TWO_STEPS, max_cost_usd="0.02"))["status"] == "completed"


async def test_the_description_of_the_api_refers_only_to_what_it_has(
    door: httpx2.AsyncClient,
) -> None:
    answer = await door.get(f"http://127.0.0.1:{door.base_url.port}/openapi.json")
    referred = set(re.findall(r'"\$ref":"#/([^"]+)"', answer.text))
    assert "components/schemas/BudgetPolicy" in referred
    for reference in referred:
        place = answer.json()
        for key in reference.split("/"):
            place = place[key]
