"""What the front door refuses before anything is started."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connection import TemporalUnreachable
from devserver import DevServerDescription, free_port
from events.store import get_event_store
from observability import BudgetExceededException, get_budget_service
from orchestrator import InstrumentedOrchestrator, get_instrumented_orchestrator
from pipelines import get_pipeline
from pipelines.errors import InvalidInput, PipelineNotFound
from settings import ROOT, Settings
from tests.product import clean_environment


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings file, and nothing that answers as Temporal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{free_port()}")


def test_keys_never_travel_to_other_workers() -> None:
    with pytest.raises(ValueError, match=r"own worker|worker of its own") as caught:
        InstrumentedOrchestrator(api_keys={"openai": "sk-secret"}, own_worker=False)
    assert "keys never travel" in str(caught.value)
    assert "OPENAI_API_KEY" in str(caught.value)
    assert "sk-secret" not in str(caught.value)


def test_an_embedded_server_has_no_other_worker() -> None:
    with pytest.raises(ValueError, match="leave out own_worker=False"):
        InstrumentedOrchestrator(embedded=True, own_worker=False)


def test_an_unknown_provider_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"unknown provider, 'opnai'\. Did you mean 'openai'\?"):
        InstrumentedOrchestrator(api_keys={"opnai": "sk-…"})


@pytest.mark.parametrize("key", ["", None, 7])
def test_a_key_that_is_none_is_refused(key: Any) -> None:
    with pytest.raises(ValueError, match=r"api_keys\['openai'\] must be a key"):
        InstrumentedOrchestrator(api_keys={"openai": key})


def test_a_key_that_cannot_be_sent_is_refused_without_showing_it() -> None:
    with pytest.raises(ValueError, match=r"api_keys\['anthropic'\] can't be sent") as caught:
        InstrumentedOrchestrator(api_keys={"openai": "sk-1", "anthropic": "sk secret"})
    assert "secret" not in str(caught.value)


def test_workers_share_a_task_queue_only_with_the_same_keys() -> None:
    def queue(**keys: str) -> str:
        settings = Settings(ai_task_queue="mine")
        return InstrumentedOrchestrator(keys, settings)._settings.ai_task_queue

    assert queue() == "mine"
    assert queue(openai="sk-1") == queue(openai="sk-1") != queue(openai="sk-2")
    assert queue(openai="sk-1").startswith("mine.")
    assert "sk-1" not in queue(openai="sk-1")


@pytest.mark.parametrize("provider", ["accent", "anthropic", "deepgram", "openai"])
def test_keys_reach_the_settings_of_the_own_worker_only(provider: str) -> None:
    settings = Settings()
    orchestrator = InstrumentedOrchestrator({provider: "sk-1"}, settings)
    key = getattr(orchestrator._settings, f"{provider}_api_key")
    assert key is not None
    assert key.get_secret_value() == "sk-1"
    assert getattr(settings, f"{provider}_api_key") is None


async def test_a_wrong_input_is_refused_before_temporal_is_asked() -> None:
    with pytest.raises(InvalidInput, match="'audio_url' is required"):
        await InstrumentedOrchestrator().execute(get_pipeline("call_analysis"), {})


async def test_temporal_that_is_not_there_is_told_in_one_line() -> None:
    with pytest.raises(TemporalUnreachable, match="TEMPORAL_ADDRESS"):
        await InstrumentedOrchestrator().execute(get_pipeline("pii_detection"), {"text": "Jane"})


async def test_a_budget_that_does_not_allow_the_run_is_an_exception(
    monkeypatch: pytest.MonkeyPatch, temporal: DevServerDescription
) -> None:
    monkeypatch.setenv("AI_DEFAULT_MONTHLY_BUDGET_USD", "0")
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal.target)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", temporal.namespace)
    with pytest.raises(BudgetExceededException, match=r"'tenant-1' has nothing left of 0 USD"):
        await InstrumentedOrchestrator().execute(
            get_pipeline("pii_detection"), {"text": "Jane"}, "tenant-1"
        )


@pytest.mark.parametrize(("policy", "allowed"), [("soft_block", False), ("warn", True)])
async def test_without_a_block_the_budget_is_that_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, policy: str, allowed: bool
) -> None:
    assert (await get_budget_service().check_budget("tenant-1")).message.startswith(
        "Tenant 'tenant-1' has 100 of 100 USD left until "
    )
    monkeypatch.setenv("AI_DEFAULT_MONTHLY_BUDGET_USD", "0")
    monkeypatch.setenv("AI_BUDGET_POLICY", policy)
    assert (await get_budget_service().check_budget("tenant-1")).allowed is allowed


def test_outside_of_a_block_there_is_no_event_store_and_the_error_says_where_there_is() -> None:
    with pytest.raises(RuntimeError, match="async with InstrumentedOrchestrator"):
        get_event_store()


def test_outside_of_a_block_each_orchestrator_is_a_new_one() -> None:
    assert get_instrumented_orchestrator() is not get_instrumented_orchestrator()


def test_a_pipeline_that_is_not_there_is_refused_with_what_is() -> None:
    assert get_pipeline("call_analysis", "1.0.0").id == "call_analysis@1.0.0"
    with pytest.raises(PipelineNotFound, match="call_analysis"):
        get_pipeline("call_analisys")


def test_a_program_that_configures_no_logging_keeps_its_standard_output(tmp_path: Path) -> None:
    """In a process of its own: logging is configured once for all."""
    script = (
        "import asyncio\n"
        "from orchestrator import InstrumentedOrchestrator\n"
        "from pipelines import get_pipeline\n"
        "orchestrator = InstrumentedOrchestrator(embedded=True)\n"
        "text = {'text': 'Call me at 415-555-0132.'}\n"
        "result = asyncio.run(orchestrator.execute(get_pipeline('pii_detection'), text))\n"
        "print(result.success)\n"
    )
    environment = clean_environment(tmp_path) | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "True\n", done.stderr
    assert "run started" in done.stderr
