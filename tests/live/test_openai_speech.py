"""Speech at OpenAI itself: nine seconds of the sample call, well below a cent each."""

import os
from decimal import Decimal
from pathlib import Path

import pytest
import soundfile
from pydantic import SecretStr

from providers.adapters.base import ProviderAnswer
from providers.adapters.openai import OpenAIAdapter
from providers.prices import cost_of
from providers.types import Capability, TranscriptionResponse
from settings import ROOT
from tests.openai_speech import offer_of, recording, transcribe

KEY = os.environ.get("OPENAI_API_KEY")
SECONDS = 9

pytestmark = [
    pytest.mark.live,
    pytest.mark.enable_socket,
    pytest.mark.skipif(not KEY, reason="no key: OPENAI_API_KEY is not set"),
]


async def ask(folder: Path, capability: Capability) -> tuple[ProviderAnswer, TranscriptionResponse]:
    samples, rate = soundfile.read(ROOT / "examples" / "support_call.flac")
    audio = recording(folder / "call.wav", samples[: SECONDS * rate], rate=rate)
    adapter = OpenAIAdapter(SecretStr(KEY or ""))
    try:
        answer = await transcribe(adapter, audio, capability, language="en")
        cost = cost_of(offer_of(adapter, capability), answer.usage)
    finally:
        await adapter.close()
    assert cost is not None
    assert Decimal(0) < cost < Decimal("0.01")
    assert isinstance(answer.response, TranscriptionResponse)
    return answer, answer.response


async def test_transcription(tmp_path: Path) -> None:
    answer, transcript = await ask(tmp_path, Capability.TRANSCRIPTION)
    assert "order" in transcript.text.lower()
    assert answer.usage.audio_seconds == pytest.approx(SECONDS, abs=1)


async def test_sides_of_a_call(tmp_path: Path) -> None:
    _, transcript = await ask(tmp_path, Capability.TRANSCRIPTION_DIARIZATION)
    assert transcript.segments is not None
    customer = [one.text for one in transcript.segments if one.speaker == "speaker_1"]
    assert "order" in " ".join(customer).lower()
    assert {one.speaker for one in transcript.segments} == {"speaker_0", "speaker_1"}
