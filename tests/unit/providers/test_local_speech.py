import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from providers.adapters.base import ProviderAnswer, ProviderCall
from providers.adapters.local import LocalAdapter
from providers.adapters.local.resample import Resampler
from providers.errors import InvalidMedia, InvalidRequest, UnsupportedInput
from providers.types import (
    AudioFile,
    Capability,
    RedactionRequest,
    RedactionResponse,
    TranscriptionRequest,
    TranscriptionResponse,
)
from tests.calls import SAMPLE_RATE, Call, synthesise_call, word_error_rate

TURNS = [
    ("agent", "good morning this is martin speaking how can i help you"),
    ("customer", "i lost my bag at the airport yesterday and i am really upset"),
    ("agent", "i am sorry to hear that may i have your phone number please"),
    ("customer", "nine zero four three eight seven one two six five"),
    ("agent", "could you tell me the last four digits of your card please"),
    ("customer", "eight one seven three"),
    ("agent", "i can give you the money back in ten business days"),
    ("customer", "that would be wonderful thank you"),
]
VOICES = ("slt", "rms")
PLANTED = ("nine zero four", "three eight seven", "one two six five", "eight one seven three")


def ignore_progress(_fraction: float) -> None:
    pass


def ask(
    path: Path,
    capability: Capability = Capability.TRANSCRIPTION_DIARIZATION,
    language: str | None = None,
) -> ProviderCall:
    audio = AudioFile(path=path, media_type="audio/x-any", size=path.stat().st_size)
    request = TranscriptionRequest(audio_url="artifact://call", language=language)
    return ProviderCall("call-1", capability, "pocketsphinx-en-us", request, audio, 120)


def transcribe(call: ProviderCall) -> ProviderAnswer:
    async def once() -> ProviderAnswer:
        adapter = LocalAdapter()
        try:
            return await adapter.call(call, ignore_progress)
        finally:
            await adapter.close()

    return asyncio.run(once())


@dataclass(frozen=True)
class Heard:
    call: Call
    answer: ProviderAnswer
    again: ProviderAnswer
    redacted: RedactionResponse
    progress: list[tuple[float, float]]

    @property
    def transcript(self) -> TranscriptionResponse:
        assert isinstance(self.answer.response, TranscriptionResponse)
        return self.answer.response


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Call:
    path = tmp_path_factory.mktemp("calls") / "call.flac"
    return synthesise_call(path, TURNS, voices=VOICES)


@pytest.fixture(scope="module")
def heard(call: Call) -> Heard:
    """Transcribe the call twice and redact it once; the slow part of this module."""
    progress: list[tuple[float, float]] = []

    async def everything() -> Heard:
        adapter = LocalAdapter()
        try:
            answer = await adapter.call(
                ask(call.path), lambda done: progress.append((time.monotonic(), done))
            )
            again = await adapter.call(ask(call.path, language="en-GB"), ignore_progress)
            assert isinstance(answer.response, TranscriptionResponse)
            request = RedactionRequest(segments=answer.response.segments)
            redaction = await adapter.call(
                ProviderCall("2", Capability.PII_REDACTION, "presidio-patterns", request, None, 60),
                ignore_progress,
            )
        finally:
            await adapter.close()
        assert isinstance(redaction.response, RedactionResponse)
        return Heard(call, answer, again, redaction.response, progress)

    return asyncio.run(everything())


def test_a_clean_call_is_understood(heard: Heard) -> None:
    assert word_error_rate(heard.call.script(), heard.transcript.text) < 0.15
    assert heard.transcript.language == "en"


def test_every_turn_goes_to_its_speaker_at_its_time(heard: Heard) -> None:
    segments = heard.transcript.segments
    assert segments is not None
    assert [segment.start for segment in segments] == sorted(segment.start for segment in segments)
    labels = {speaker: f"speaker_{n}" for n, speaker in enumerate(heard.call.speakers)}
    assert len(segments) == len(heard.call.turns)
    for segment, turn in zip(segments, heard.call.turns, strict=True):
        assert segment.speaker == labels[turn.speaker]
        assert segment.start == pytest.approx(turn.start, abs=0.4)
        assert segment.end == pytest.approx(turn.end, abs=0.6)
        assert segment.confidence is not None


def test_the_text_is_the_segments_line_by_line(heard: Heard) -> None:
    assert heard.transcript.segments is not None
    assert heard.transcript.text.split("\n") == [one.text for one in heard.transcript.segments]


def test_the_duration_is_that_of_the_decoded_audio(heard: Heard) -> None:
    assert heard.transcript.duration_seconds == pytest.approx(heard.call.duration, abs=0.01)
    assert heard.answer.usage.audio_seconds == heard.transcript.duration_seconds


def test_progress_rises_to_one_and_is_never_silent_for_long(heard: Heard) -> None:
    fractions = [done for _, done in heard.progress]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert len(fractions) > 10
    times = [moment for moment, _ in heard.progress]
    assert max(np.diff(times)) < 2


def test_a_child_hears_the_same_the_second_time(heard: Heard) -> None:
    assert heard.again.response == heard.answer.response


def test_planted_numbers_are_gone_from_the_redacted_call(heard: Heard) -> None:
    assert heard.redacted.segments is not None
    redacted = heard.redacted.text
    assert "[PHONE_NUMBER]" in redacted
    assert "[CREDIT_CARD]" in redacted
    assert "ten business days" in redacted
    for planted in PLANTED:
        assert planted not in redacted
        assert not any(planted in segment.text for segment in heard.redacted.segments)


async def test_a_cancelled_call_leaves_no_process(call: Call) -> None:
    adapter = LocalAdapter()
    await adapter._text.call("warm", {}, lambda _: None)
    working = asyncio.Event()
    task = asyncio.create_task(adapter.call(ask(call.path), lambda _: working.set()))
    try:
        async with asyncio.timeout(30):
            await working.wait()
        pids = adapter._speech.pids | adapter._text.pids
        assert adapter._text.pids
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - started < 1
        assert pids
        assert not adapter._speech.pids | adapter._text.pids
        for pid in pids:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
    finally:
        await adapter.close()


def tone(seconds: float, frequency: float = 440.0) -> np.ndarray:
    moments = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.asarray(0.1 * np.sin(2 * np.pi * frequency * moments))


def one_channel(path: Path) -> None:
    soundfile.write(path, tone(1), SAMPLE_RATE, format="WAV")


def same_twice(path: Path) -> None:
    soundfile.write(path, np.stack([tone(1), tone(1)], axis=1), SAMPLE_RATE, format="WAV")


def same_but_quieter(path: Path) -> None:
    soundfile.write(path, np.stack([tone(1), 0.3 * tone(1)], axis=1), SAMPLE_RATE, format="WAV")


def three_channels(path: Path) -> None:
    soundfile.write(path, np.stack([tone(1)] * 3, axis=1), SAMPLE_RATE, format="WAV")


def mp4_container(path: Path) -> None:
    path.write_bytes(b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(2000))


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (one_channel, "This recording has one channel; .* only in two-channel recordings"),
        (same_twice, "the same signal on both channels"),
        (same_but_quieter, "the same signal on both channels"),
        (three_channels, "has 3 channels"),
        (mp4_container, "reads WAV, FLAC, MP3"),
    ],
)
def test_what_only_others_can_do_is_unsupported(
    tmp_path: Path, write: Callable[[Path], None], sentence: str
) -> None:
    path = tmp_path / "call"
    write(path)
    with pytest.raises(UnsupportedInput, match=sentence):
        transcribe(ask(path))


def text(path: Path) -> None:
    path.write_text("This is no recording.\n" * 100)


def nothing(path: Path) -> None:
    path.touch()


def header_only(path: Path) -> None:
    soundfile.write(path, np.zeros(0), SAMPLE_RATE, format="WAV")


def torn_flac(path: Path) -> None:
    soundfile.write(path, tone(3), SAMPLE_RATE, format="FLAC")
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize("write", [text, nothing, header_only, torn_flac])
@pytest.mark.parametrize(
    "capability", [Capability.TRANSCRIPTION, Capability.TRANSCRIPTION_DIARIZATION]
)
def test_what_holds_no_audio_is_invalid_media(
    tmp_path: Path, write: Callable[[Path], None], capability: Capability
) -> None:
    path = tmp_path / "call"
    write(path)
    with pytest.raises(InvalidMedia):
        transcribe(ask(path, capability))


def test_a_truncated_recording_lasts_as_long_as_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "call.mp3"
    soundfile.write(path, tone(20), SAMPLE_RATE, format="MP3")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 4])
    answer = transcribe(ask(path, Capability.TRANSCRIPTION))
    assert isinstance(answer.response, TranscriptionResponse)
    assert answer.response.duration_seconds == pytest.approx(5, abs=1)


@pytest.mark.parametrize("shape", [(SAMPLE_RATE,), (SAMPLE_RATE, 2)])
def test_silence_is_an_empty_transcript(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(shape), SAMPLE_RATE)
    answer = transcribe(ask(path, Capability.TRANSCRIPTION))
    assert isinstance(answer.response, TranscriptionResponse)
    assert answer.response.text == ""
    assert answer.response.segments == ()
    assert answer.response.duration_seconds == 1


def test_plain_transcription_hears_both_channels_and_names_no_speaker(tmp_path: Path) -> None:
    short = synthesise_call(tmp_path / "call.wav", TURNS[-2:], voices=VOICES)
    answer = transcribe(ask(short.path, Capability.TRANSCRIPTION))
    assert isinstance(answer.response, TranscriptionResponse)
    assert word_error_rate(short.script(), answer.response.text) < 0.15
    assert {one.speaker for one in answer.response.segments or ()} == {None}


def test_speech_up_to_the_last_sample_is_not_lost(tmp_path: Path) -> None:
    short = synthesise_call(tmp_path / "call.wav", TURNS[-1:], voices=VOICES)
    samples, _ = soundfile.read(short.path, dtype="int16")
    for path, tail in ((tmp_path / "even.wav", 480), (tmp_path / "odd.wav", 481)):
        end = int(short.turns[0].end * SAMPLE_RATE)
        soundfile.write(path, samples[: end - end % tail, 0], SAMPLE_RATE)
        answer = transcribe(ask(path, Capability.TRANSCRIPTION))
        assert isinstance(answer.response, TranscriptionResponse)
        assert "wonderful thank you" in answer.response.text


def test_another_sampling_rate_is_heard_as_well(tmp_path: Path) -> None:
    short = synthesise_call(tmp_path / "call.wav", TURNS[-2:], voices=VOICES)
    samples, _ = soundfile.read(short.path, dtype="float32")
    faster = np.stack(
        [Resampler(SAMPLE_RATE, 44_100).process(channel) for channel in samples.T], axis=1
    )
    path = tmp_path / "faster.wav"
    soundfile.write(path, faster, 44_100)
    answer = transcribe(ask(path))
    assert isinstance(answer.response, TranscriptionResponse)
    assert word_error_rate(short.script(), answer.response.text) < 0.15


@pytest.mark.parametrize("language", ["de", "de-DE", "zh_CN"])
async def test_another_language_is_unsupported_before_any_work(
    tmp_path: Path, language: str
) -> None:
    path = tmp_path / "call.wav"
    one_channel(path)
    adapter = LocalAdapter()
    with pytest.raises(UnsupportedInput, match="English only"):
        await adapter.call(ask(path, Capability.TRANSCRIPTION, language), ignore_progress)
    assert not adapter._speech.pids


async def test_a_request_without_a_recording_is_refused() -> None:
    request = TranscriptionRequest(audio_url="artifact://call")
    call = ProviderCall("1", Capability.TRANSCRIPTION, "pocketsphinx-en-us", request, None, 9)
    with pytest.raises(InvalidRequest):
        await LocalAdapter().call(call, ignore_progress)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_resampling_in_blocks_keeps_a_tone_and_its_length(rate: int) -> None:
    moments = np.arange(rate) / rate
    tone_in = np.sin(2 * np.pi * 1_000 * moments).astype(np.float32)
    resampler = Resampler(rate, SAMPLE_RATE)
    blocks = [resampler.process(tone_in[i : i + 777]) for i in range(0, rate, 777)]
    heard = np.concatenate([*blocks, resampler.flush()])
    assert abs(len(heard) - SAMPLE_RATE) <= 2
    expected = np.sin(2 * np.pi * 1_000 * np.arange(len(heard)) / SAMPLE_RATE)
    assert np.abs(heard - expected)[200:-200].max() < 0.01


def test_resampling_removes_what_the_lower_rate_cannot_hold() -> None:
    moments = np.arange(48_000) / 48_000
    shrill = np.sin(2 * np.pi * 12_000 * moments).astype(np.float32)
    assert np.abs(Resampler(48_000, SAMPLE_RATE).process(shrill))[200:].max() < 0.01
