"""The ledger's database goes away in the middle of a call: what was bought is neither lost nor
bought again.
"""

import asyncio
from decimal import Decimal

from temporalio.testing import ActivityEnvironment

from activities.call import ProviderActivities
from artifacts.fetch import Fetcher
from artifacts.store import ArtifactStore
from devserver import free_port
from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.database import create_engine
from ledger.runs import RunRequest
from observability.metrics import get_ai_metrics
from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress
from providers.registry import CapabilityRegistry
from settings import Settings
from tests.postgres import PostgresServer
from tests.relay import Relay
from tests.scripted import ScriptedAdapter, answer
from tests.workflow.test_costs import CALL


async def test_an_answer_waits_for_the_database(
    settings: Settings, postgres: PostgresServer
) -> None:
    with postgres.database() as url:
        async with Relay(f"127.0.0.1:{postgres.port}", free_port()) as relay:
            engine = create_engine(url.replace(f"127.0.0.1:{postgres.port}", relay.address))

            async def answer_when_it_is_gone(
                call: ProviderCall, report: ReportProgress
            ) -> ProviderAnswer:
                await relay.cut()
                return await answer(characters=7)(call, report)

            adapter = ScriptedAdapter(answer_when_it_is_gone)
            ledger = Ledger(engine, Budget.of(settings))
            activities = ProviderActivities(
                CapabilityRegistry([adapter]),
                ledger,
                ArtifactStore(engine, settings.ai_data_dir / "artifacts", max_bytes=1),
                Fetcher(allowed_hosts=(), max_bytes=1, folder=settings.ai_data_dir),
                get_ai_metrics(),
            )
            await ledger.runs.reserve(RunRequest("tenant-1", "exec-1", "two@1.0.0", Decimal(0)))
            calling = asyncio.create_task(ActivityEnvironment().run(activities.call_provider, CALL))
            done, _ = await asyncio.wait([calling], timeout=1)
            assert not done, "the answer waits"
            await relay.mend()
            assert (await calling).cost_usd == Decimal("0.007")
            assert (await ledger.runs.total("exec-1")).total == Decimal("0.007")
            assert len(adapter.calls) == 1
            await engine.dispose()
