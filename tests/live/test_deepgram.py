"""Deepgram itself. Each test costs less than a cent; none runs without a key."""

import os
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
import soundfile
from pydantic import SecretStr

from providers.adapters.base import ProviderAnswer, ProviderCall
from providers.adapters.deepgram import DeepgramAdapter
from providers.prices import cost_of, upper_cost_of
from providers.types import (
    AudioFile,
    Capability,
    TranscriptionRequest,
    TranscriptionResponse,
)
from settings import ROOT
from tests.calls import word_error_rate

KEY = os.environ.get("DEEPGRAM_API_KEY")
SAMPLE = ROOT / "examples" / "support_call.flac"
SAID = (
    "thank you for calling how can i help you today"
    " hello i am very angry my order is late and nobody will answer my calls"
)
SECONDS = 8.6
CENT = Decimal("0.01")

pytestmark = [
    pytest.mark.live,
    pytest.mark.enable_socket,
    pytest.mark.skipif(not KEY, reason="no key: DEEPGRAM_API_KEY is not set"),
]


@pytest.fixture
async def adapter() -> AsyncIterator[DeepgramAdapter]:
    adapter = DeepgramAdapter(SecretStr(KEY or ""), os.environ.get("DEEPGRAM_BASE_URL"))
    yield adapter
    await adapter.close()


def first_words(path: Path, *, channels: int) -> Path:
    """Cut the first two turns of the sample call, each on its channel or mixed."""
    samples, rate = soundfile.read(SAMPLE, frames=int(SECONDS * 16_000), always_2d=True)
    soundfile.write(path, samples if channels == 2 else samples.mean(axis=1), rate)
    return path


async def transcribe(
    adapter: DeepgramAdapter, path: Path, capability: Capability
) -> tuple[TranscriptionResponse, Decimal]:
    offer = next(offer for offer in adapter.offers() if offer.capability == capability)
    call = ProviderCall(
        call_id="live",
        capability=capability,
        model=offer.model,
        request=TranscriptionRequest(audio_url="artifact://live"),
        audio=AudioFile(path=path, media_type="audio/wav", size=path.stat().st_size),
        timeout=60,
    )
    most = upper_cost_of(offer, await adapter.upper_bounds(call))
    answer: ProviderAnswer = await adapter.call(call, lambda _: None)
    cost = cost_of(offer, answer.usage)
    assert cost is not None
    assert most is not None
    assert cost <= most
    assert isinstance(answer.response, TranscriptionResponse)
    return answer.response, cost


@pytest.mark.parametrize(
    ("capability", "channels", "speakers"),
    [
        (Capability.TRANSCRIPTION, 1, {None}),
        (Capability.TRANSCRIPTION_DIARIZATION, 1, {"speaker_0", "speaker_1"}),
        (Capability.TRANSCRIPTION_DIARIZATION, 2, {"speaker_0", "speaker_1"}),
    ],
)
async def test_sample_is_heard_for_less_than_a_cent(
    adapter: DeepgramAdapter,
    tmp_path: Path,
    capability: Capability,
    channels: int,
    speakers: set[str | None],
) -> None:
    path = first_words(tmp_path / "call.wav", channels=channels)
    response, cost = await transcribe(adapter, path, capability)
    assert word_error_rate(SAID, response.text) < 0.2
    assert {segment.speaker for segment in response.segments or ()} <= speakers
    assert response.language is not None
    assert response.language.startswith("en")
    assert response.duration_seconds == pytest.approx(SECONDS, abs=0.1)
    assert 0 < cost < CENT
