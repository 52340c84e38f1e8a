"""A provider that is no use for a while is found out once, for all runs and workers."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import WorkflowFailureError

from ledger.cooldowns import Cooldowns, Target
from providers.errors import ProviderError, ProviderUnavailable, QuotaExhausted, RateLimited
from providers.types import QualityTier
from tests.runs import StartWorker, eventually, progress, redact_then_summarize, start
from tests.scripted import ScriptedAdapter, answer, fail

LONG = timedelta(minutes=10)


def _in(span: timedelta) -> datetime:
    return datetime.now(UTC) + span


@pytest.mark.parametrize(
    "error",
    [
        QuotaExhausted("no credit"),
        ProviderUnavailable("key refused").resting(timedelta(minutes=5)),
        RateLimited("later", retry_after=LONG),
    ],
    ids=lambda error: error.code,
)
async def test_one_call_finds_out_and_no_other_asks(
    start_worker: StartWorker, engine: AsyncEngine, error: ProviderError
) -> None:
    first = ScriptedAdapter(fail(error))
    second = ScriptedAdapter(name="other", tier=QualityTier.BASIC)
    worker = await start_worker(first, second)
    for _ in range(2):
        handle = await start(worker, redact_then_summarize())
        await handle.result()
    assert (len(first.calls), len(second.calls)) == (1, 4)
    (found,) = await Cooldowns(engine).all()
    assert (found.target.provider, found.code) == ("scripted", error.code)


async def test_a_provider_that_is_kept_from_counts_no_attempt_and_says_why(
    start_worker: StartWorker,
) -> None:
    worker = await start_worker(ScriptedAdapter(fail(QuotaExhausted("no credit"))))
    for attempts in (1, 0):
        handle = await start(worker, redact_then_summarize())
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        step = (await progress(handle)).steps[0]
        error = step.error
        assert error is not None
        assert (step.attempts, error.code) == (attempts, "all_providers_failed")
    assert error is not None
    (candidate,) = error.candidates or ()
    assert candidate.code == "cooldown"
    assert "after an error of the kind quota_exhausted" in candidate.message


async def test_a_short_rate_limit_is_no_cooldown(
    start_worker: StartWorker, engine: AsyncEngine
) -> None:
    tired = fail(RateLimited("soon", retry_after=timedelta(milliseconds=10)))
    worker = await start_worker(ScriptedAdapter(tired, answer()))
    await (await start(worker, redact_then_summarize())).result()
    assert await Cooldowns(engine).all() == []


async def test_what_another_worker_has_found_out_is_known_within_two_seconds(
    start_worker: StartWorker, engine: AsyncEngine
) -> None:
    adapter = ScriptedAdapter()
    worker = await start_worker(adapter)
    await (await start(worker, redact_then_summarize())).result()
    other = Cooldowns(engine)
    target = Target("scripted", "model-1", "")
    await other.open(target, _in(LONG), "quota_exhausted")

    async def is_known() -> bool:
        return await worker.ledger.cooldowns.find(target) is not None

    await eventually(is_known, "the cooldown")


async def test_the_api_shows_a_cooldown_and_clears_it(
    api: httpx2.AsyncClient, engine: AsyncEngine
) -> None:
    cooldowns = Cooldowns(engine)
    target = Target("local", "vader", "")
    await cooldowns.open(target, _in(LONG), "provider_unavailable")

    async def until() -> str | None:
        offers = (await api.get("/providers")).json()["providers"]
        return str(next(one for one in offers if one["model"] == "vader")["cooldown_until"])

    assert str(await until()).endswith("Z")
    assert (await api.delete("/providers/local/cooldown")).status_code == 204
    assert await until() == "None"
    missing = await api.delete("/providers/nobody/cooldown")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


async def test_the_longer_cooldown_stays(engine: AsyncEngine) -> None:
    cooldowns = Cooldowns(engine)
    target = Target("sim", "m", "k")
    await cooldowns.open(target, _in(LONG), "quota_exhausted")
    await cooldowns.open(target, _in(timedelta(minutes=1)), "rate_limited")
    found = await cooldowns.find(target)
    assert found is not None
    assert found.code == "quota_exhausted"
    assert await cooldowns.find(Target("sim", "m", "another key")) is None
