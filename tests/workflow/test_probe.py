"""What a remote recording costs is known before its run is admitted, on a real server."""

import threading
import wave
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle

from pipelines.builder import Pipeline
from pipelines.model import PipelineDefinition
from providers.types import Capability, CostUnit, TranscriptionResponse
from settings import Settings
from tests.runs import RunningWorker, StartWorker, progress, start
from tests.scripted import Act, Hang, ScriptedAdapter, answer
from workflows.types import RunStatus

SECONDS = 90
HEARD = answer(TranscriptionResponse(text="hi", language="en", duration_seconds=90, segments=None))


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    """A server that has a recording of a minute and a half."""
    folder = tmp_path / "served"
    folder.mkdir()
    with wave.open(str(folder / "call.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(1000)
        file.writeframes(b"\x80" * 1000 * SECONDS)
    handler = partial(Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def settings(settings: Settings, host: str) -> Settings:
    return settings.model_copy(update={"ai_fetch_allowed_hosts": (host,)})


def heard(act: Act = HEARD, *, unit: CostUnit = CostUnit.MINUTE) -> ScriptedAdapter:
    price = Decimal(0) if unit is CostUnit.FREE else Decimal(2)
    return ScriptedAdapter(
        act, capabilities=[Capability.TRANSCRIPTION], cost_unit=unit, price=price
    )


def transcription() -> PipelineDefinition:
    step = Pipeline("hear").step("transcribe").capability(Capability.TRANSCRIPTION)
    return step.done().build()


async def transcribe(
    worker: RunningWorker, host: str, name: str = "call.wav"
) -> WorkflowHandle[Any, Any]:
    url = f"http://{host}/{name}"
    return await start(worker, transcription(), input_data={"audio_url": url})


async def activities_of(handle: WorkflowHandle[Any, Any]) -> list[str]:
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]


async def test_a_recording_that_costs_more_than_is_left_is_not_transcribed(
    start_worker: StartWorker, host: str
) -> None:
    adapter = heard()
    worker = await start_worker(adapter)
    await worker.ledger.budgets.set_limit("tenant-1", Decimal("2.99"))
    handle = await transcribe(worker, host)
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    status = await progress(handle)
    assert status.error is not None
    assert status.error.code == "budget_exceeded"
    assert "This needs 3 USD" in status.error.message
    assert adapter.calls == []


async def test_a_recording_that_fits_is_reserved_for_by_its_length(
    start_worker: StartWorker, host: str, hang: Hang
) -> None:
    worker = await start_worker(heard(hang))
    handle = await transcribe(worker, host)
    await hang.entered.wait()
    assert (await worker.ledger.budgets.account("tenant-1")).reserved_usd == 3
    await handle.cancel()


async def test_a_recording_that_can_not_be_had_is_left_to_its_step(
    start_worker: StartWorker, host: str
) -> None:
    worker = await start_worker(heard())
    handle = await transcribe(worker, host, "nothing.wav")
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    error = (await progress(handle)).error
    assert error is not None
    assert (error.code, error.step) == ("fetch_failed", "transcribe")


async def test_nobody_looks_where_nobody_charges(start_worker: StartWorker, host: str) -> None:
    worker = await start_worker(heard(unit=CostUnit.FREE))
    handle = await transcribe(worker, host)
    await handle.result()
    assert await activities_of(handle) == ["call_provider"]
    assert (await progress(handle)).status == RunStatus.COMPLETED
