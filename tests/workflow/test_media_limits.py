"""Recordings that are larger than a provider takes, on a real server with scripted providers."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import WorkflowFailureError, WorkflowHandle

from artifacts.store import ArtifactStore
from pipelines.builder import Pipeline
from providers.types import Capability, Limits, Offer, QualityTier, TranscriptionResponse
from settings import Settings
from tests.runs import RunningWorker, StartWorker, progress, start
from tests.scripted import ScriptedAdapter, answer

HEARD = TranscriptionResponse(text="Hello.", language="en", duration_seconds=1, segments=None)
RECORDING = b"RIFF\0\0\0\0WAVE" + bytes(88)


class LimitedAdapter(ScriptedAdapter):
    """Takes recordings up to a size."""

    def __init__(self, name: str, max_bytes: int, tier: QualityTier) -> None:
        super().__init__(
            answer(HEARD), name=name, capabilities=[Capability.TRANSCRIPTION], tier=tier
        )
        self._limits = Limits(max_file_bytes=max_bytes)

    def offers(self) -> Sequence[Offer]:
        return [offer.model_copy(update={"limits": self._limits}) for offer in super().offers()]


class ConvertingAdapter(LimitedAdapter):
    """Makes what is too large smaller."""

    converts_recordings = True


@pytest.fixture
async def audio_url(engine: AsyncEngine, settings: Settings) -> str:
    async def chunks() -> AsyncIterator[bytes]:
        yield RECORDING

    folder = settings.ai_data_dir / "artifacts"
    store = ArtifactStore(engine, folder, max_bytes=settings.ai_max_artifact_bytes)
    return (await store.put("tenant-1", chunks())).url


async def transcribe(worker: RunningWorker, audio_url: str) -> WorkflowHandle[Any, Any]:
    step = Pipeline("listen").step("listen").capability(Capability.TRANSCRIPTION)
    definition = step.output_as("heard").done().build()
    return await start(worker, definition, input_data={"audio_url": audio_url})


async def test_recording_goes_to_the_candidate_whose_limit_is_larger(
    start_worker: StartWorker, audio_url: str
) -> None:
    small = LimitedAdapter("small", len(RECORDING) - 1, QualityTier.PREMIUM)
    large = LimitedAdapter("large", len(RECORDING), QualityTier.BASIC)
    handle = await transcribe(await start_worker(small, large), audio_url)
    await handle.result()
    step = (await progress(handle)).steps[0]
    assert (step.provider, step.attempts) == ("large", 2)
    assert [len(small.calls), len(large.calls)] == [0, 1]


async def test_recording_that_is_too_large_for_all_names_each_ones_limit(
    start_worker: StartWorker, audio_url: str
) -> None:
    small = LimitedAdapter("small", 10, QualityTier.PREMIUM)
    larger = LimitedAdapter("larger", 20, QualityTier.BASIC)
    worker = await start_worker(small, larger)
    handle = await transcribe(worker, audio_url)
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    error = (await progress(handle)).steps[0].error
    assert error is not None
    assert error.code == "all_providers_failed"
    assert [(one.provider, one.code, one.message) for one in error.candidates or ()] == [
        ("small", "input_too_large", "The recording has 100 bytes; small takes 10."),
        ("larger", "input_too_large", "The recording has 100 bytes; larger takes 20."),
    ]
    assert [small.calls, larger.calls] == [[], []]
    assert list(await worker.lines_of(handle.id)) == []


async def test_provider_that_converts_decides_itself(
    start_worker: StartWorker, audio_url: str
) -> None:
    converting = ConvertingAdapter("converting", 10, QualityTier.PREMIUM)
    handle = await transcribe(await start_worker(converting), audio_url)
    await handle.result()
    assert len(converting.calls) == 1
