"""The smallest call of each capability."""

import wave
from decimal import Decimal

import pytest

from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress
from providers.errors import PROVIDER_ERRORS, ProviderError, ProviderFault
from providers.probe import Probe, probe
from providers.types import (
    REQUESTS,
    Capability,
    GenerationResponse,
    RedactionResponse,
    SentimentResponse,
    SummarizationResponse,
    TranscriptionResponse,
    Usage,
    Value,
)
from tests.scripted import ScriptedAdapter, answer, fail

SPEECH = TranscriptionResponse(text="", language=None, duration_seconds=1, segments=None)
ANSWERS: dict[Capability, tuple[Value, str]] = {
    Capability.TRANSCRIPTION: (SPEECH, "no speech"),
    Capability.TRANSCRIPTION_DIARIZATION: (
        SPEECH.model_copy(update={"text": "one two"}),
        "one two",
    ),
    Capability.LLM_GENERATION: (GenerationResponse(text="ready", finish_reason="stop"), "ready"),
    Capability.PII_REDACTION: (RedactionResponse(text="My name", entities=()), "My name"),
    Capability.SENTIMENT_ANALYSIS: (
        SentimentResponse(label="positive", score=0.8),
        "positive (0.8)",
    ),
    Capability.SUMMARIZATION: (SummarizationResponse(text="Late."), "Late."),
}


async def probe_once(adapter: ScriptedAdapter) -> Probe:
    return await probe(adapter, adapter.offers()[0])


@pytest.mark.parametrize("capability", Capability)
async def test_every_capability_is_asked_and_its_answer_told_in_short(
    capability: Capability,
) -> None:
    response, said = ANSWERS[capability]
    adapter = ScriptedAdapter(answer(response, characters=3), capabilities=[capability])
    found = await probe_once(adapter)
    assert (found.works, found.said, found.cost) == (True, said, Decimal("0.003"))
    call = adapter.calls[0]
    assert isinstance(call.request, REQUESTS[capability])
    assert (call.model, call.audio is None) == ("model-1", type(response) is not type(SPEECH))


@pytest.mark.parametrize(
    ("capability", "channels"),
    [(Capability.TRANSCRIPTION, 1), (Capability.TRANSCRIPTION_DIARIZATION, 2)],
)
async def test_what_is_heard_is_a_second_with_other_sound_on_each_channel(
    capability: Capability, channels: int
) -> None:
    heard: list[bytes] = []

    async def listen(call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        assert call.audio is not None
        assert call.audio.size == call.audio.path.stat().st_size
        with wave.open(str(call.audio.path)) as file:
            assert (file.getnchannels(), file.getnframes()) == (channels, file.getframerate())
            heard.append(file.readframes(file.getnframes()))
        return await answer(SPEECH)(call, report_progress)

    assert (await probe_once(ScriptedAdapter(listen, capabilities=[capability]))).works
    samples = memoryview(heard[0]).cast("h")
    assert max(samples) > 1000
    assert channels == 1 or samples[0::2] != samples[1::2]


@pytest.mark.parametrize("kind", PROVIDER_ERRORS)
async def test_every_error_says_how_to_mend_it_and_what_it_cost(kind: type[ProviderError]) -> None:
    free = await probe_once(ScriptedAdapter(fail(kind("No."))))
    paid = await probe_once(ScriptedAdapter(fail(kind("No.", usage=Usage(characters=7)))))
    unknown = await probe_once(ScriptedAdapter(fail(kind("No.", usage=Usage()))))
    assert free.problem == f"No. [{kind.code}]"
    assert free.mend
    assert [one.cost for one in (free, paid, unknown)] == [Decimal(0), Decimal("0.007"), None]


async def test_an_adapter_that_crashes_is_a_finding_too() -> None:
    found = await probe_once(ScriptedAdapter(fail(KeyError("what people said"))))
    assert found.problem == f"The adapter crashed: KeyError. [{ProviderFault.code}]"
    assert found.cost is None


async def test_what_is_not_available_is_not_asked() -> None:
    adapter = ScriptedAdapter(available=False)
    found = await probe_once(adapter)
    assert (found.works, found.mend, adapter.calls) == (False, "scripted has no key.", [])
