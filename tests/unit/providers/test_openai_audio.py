from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
import soundfile

from artifacts.media import AUDIO_TYPES
from providers.adapters.openai import OpenAIAdapter
from providers.adapters.openai_audio import FORMATS, Part, prepare
from providers.errors import (
    InputTooLarge,
    InvalidMedia,
    ProviderFault,
    UnsupportedInput,
)
from providers.prices import cost_of
from providers.recordings import Recordings
from providers.types import (
    AudioFile,
    Capability,
    Usage,
)
from tests.fake_vendor import FakeVendor
from tests.openai_speech import (
    BY_SPEAKER,
    DIALOGUE,
    MP4,
    RATE,
    TEXT,
    TOLD,
    USED,
    Pair,
    Samples,
    call_of,
    decoded,
    error_body,
    form,
    offer_of,
    openai_with_its_fake,
    recording,
    silence,
    tone,
    transcribe,
    transcript,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair() -> AsyncIterator[Pair]:
    async with openai_with_its_fake() as pair:
        yield pair


@pytest.fixture
def adapter(pair: Pair) -> OpenAIAdapter:
    return pair[0]


@pytest.fixture
def vendor(pair: Pair) -> FakeVendor:
    vendor = pair[1]
    vendor.asked.clear()
    vendor.hung_up.clear()
    return vendor


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recordings() -> AsyncIterator[Recordings]:
    recordings = Recordings()
    yield recordings
    await recordings.close()


async def test_every_known_audio_type_but_aiff_goes_as_it_is() -> None:
    assert set(AUDIO_TYPES) - set(FORMATS) == {"audio/aiff"}


async def test_other_format_is_converted(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path
) -> None:
    vendor.stream(*TOLD)
    audio = recording(tmp_path / "a.aiff", tone(2), kind="AIFF")
    answer = await transcribe(adapter, audio)
    sent = form(vendor.asked[0])["file"]
    assert decoded(sent, tmp_path / "sent") == ("FLAC", 16_000, 1, 2)
    assert transcript(answer).duration_seconds == 2


async def prepared(
    recordings: Recordings | None, audio: AudioFile, *, by_side: bool = False, **limits: Any
) -> list[Part]:
    async with prepare(recordings, audio, by_side=by_side, **limits) as parts:
        assert all(part.path.stat().st_size == part.size for part in parts)
    return parts


async def test_conversions_are_gone_afterwards(recordings: Recordings, tmp_path: Path) -> None:
    audio = recording(tmp_path / "a.aiff", tone(1), kind="AIFF")
    (part,) = await prepared(recordings, audio)
    assert not part.path.exists()
    assert audio.path.exists()


async def test_large_file_that_fits_as_flac_is_converted(
    recordings: Recordings, tmp_path: Path
) -> None:
    audio = recording(tmp_path / "a.wav", silence(60))
    (part,) = await prepared(recordings, audio, max_bytes=audio.size // 2)
    assert part.media_type == "audio/flac"
    assert part.size <= audio.size // 2


async def test_large_file_that_fits_in_no_form_is_too_large(
    recordings: Recordings, tmp_path: Path
) -> None:
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, 20 * RATE)
    audio = recording(tmp_path / "a.wav", noise)
    with pytest.raises(InputTooLarge, match="also as FLAC"):
        await prepared(recordings, audio, max_bytes=audio.size // 2)


async def test_large_file_that_can_not_be_converted_is_too_large(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path
) -> None:
    audio = recording(tmp_path / "a.m4a", MP4).model_copy(update={"size": 25_000_001})
    with pytest.raises(InputTooLarge, match=r"25,000,001 bytes; OpenAI takes 25,000,000") as caught:
        await transcribe(adapter, audio)
    assert caught.value.usage is None
    assert vendor.asked == []


async def test_speakers_are_not_separated_in_what_is_longer_than_the_model_takes(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path
) -> None:
    audio = recording(tmp_path / "a.wav", np.zeros(1401 * RATE))
    with pytest.raises(InputTooLarge, match="1401 s; OpenAI's model takes 1400 s"):
        await transcribe(adapter, audio, BY_SPEAKER)
    assert vendor.asked == []


async def test_without_a_decoder_the_mend_is_told(tmp_path: Path) -> None:
    aiff = recording(tmp_path / "a.aiff", tone(1), kind="AIFF")
    with pytest.raises(UnsupportedInput, match=r"audio/aiff.*pip install 'perdure\[local\]'"):
        await prepared(None, aiff)
    wav = recording(tmp_path / "a.wav", tone(1))
    with pytest.raises(InputTooLarge, match=r"pip install 'perdure\[local\]'"):
        await prepared(None, wav, max_bytes=wav.size - 1)


async def test_without_a_decoder_openai_gets_the_file_as_it_is(tmp_path: Path) -> None:
    audio = recording(tmp_path / "a.wav", call_of(tone(1), tone(1, 700)))
    (part,) = await prepared(None, audio, by_side=True)
    assert (part.path, part.seconds, part.channel) == (audio.path, None, None)


async def test_what_is_no_audio_is_sent_to_nobody(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path
) -> None:
    with pytest.raises(InvalidMedia):
        await transcribe(adapter, recording(tmp_path / "a.txt", b"Good morning. " * 9))
    assert vendor.asked == []


async def test_audio_that_neither_side_knows_is_for_another_provider(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedInput, match=r"takes flac, m4a, .*this is application/octet"):
        await transcribe(adapter, recording(tmp_path / "a.amr", b"#!AMR\n" + bytes(99)))
    assert vendor.asked == []


async def test_damaged_file_of_a_known_format_is_openais_to_judge(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path
) -> None:
    vendor.answer(400, error_body("invalid_request_error", "invalid_value", param="file"))
    with pytest.raises(UnsupportedInput):
        await transcribe(adapter, recording(tmp_path / "a.wav", b"RIFF\0\0\0\0WAVE" + bytes(99)))
    assert len(vendor.asked) == 1


async def test_sides_of_a_call_are_sent_apart_and_cost_both(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path
) -> None:
    vendor.stream(*DIALOGUE)
    audio = recording(tmp_path / "a.wav", call_of(tone(2), tone(2, 700)))
    answer = await transcribe(adapter, audio, BY_SPEAKER)
    assert [decoded(form(asked)["file"], tmp_path / "sent") for asked in vendor.asked] == [
        ("FLAC", 16_000, 1, 2)
    ] * 2
    response = transcript(answer)
    assert response.segments is not None
    assert [(segment.start, segment.speaker) for segment in response.segments] == [
        (0, "speaker_0"),
        (0, "speaker_1"),
        (0.9, "speaker_0"),
        (0.9, "speaker_1"),
        (1.6, "speaker_0"),
        (1.6, "speaker_1"),
    ]
    assert response.duration_seconds == 2
    assert answer.usage == Usage(
        input_tokens=1800, input_audio_tokens=1800, output_tokens=240, audio_seconds=4
    )
    assert cost_of(offer_of(adapter, BY_SPEAKER), answer.usage) == Decimal("0.0132")


async def test_each_side_holds_its_own_channel(recordings: Recordings, tmp_path: Path) -> None:
    audio = recording(tmp_path / "a.wav", call_of(tone(2), tone(2, 700)))
    async with prepare(recordings, audio, by_side=True) as parts:
        pitches = []
        for part in parts:
            samples, rate = soundfile.read(part.path)
            pitches.append(
                round(int(np.argmax(np.abs(np.fft.rfft(samples)))) * rate / len(samples))
            )
    assert pitches == [440, 700]


async def test_silent_side_is_not_paid_for(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path
) -> None:
    vendor.stream(*DIALOGUE)
    audio = recording(tmp_path / "a.wav", call_of(silence(2), tone(2, 700)))
    answer = await transcribe(adapter, audio, BY_SPEAKER)
    segments = transcript(answer).segments
    assert segments is not None
    assert {segment.speaker for segment in segments} == {"speaker_1"}
    assert len(vendor.asked) == 1
    assert answer.usage == USED


@pytest.mark.parametrize(
    ("channels", "capability"),
    [
        pytest.param((tone(2), 0.5 * tone(2)), BY_SPEAKER, id="the same sound twice"),
        pytest.param((silence(2), silence(2)), BY_SPEAKER, id="nobody speaks"),
        pytest.param((tone(2), tone(2, 700)), TEXT, id="no speakers asked for"),
    ],
)
async def test_other_two_channel_recordings_are_sent_once(
    vendor: FakeVendor,
    adapter: OpenAIAdapter,
    tmp_path: Path,
    channels: tuple[Samples, Samples],
    capability: Capability,
) -> None:
    vendor.stream(*(TOLD if capability is TEXT else DIALOGUE))
    audio = recording(tmp_path / "a.wav", call_of(*channels))
    await transcribe(adapter, audio, capability)
    assert [form(asked)["file"] for asked in vendor.asked] == [audio.path.read_bytes()]


async def test_failure_of_the_sides_is_one_failure_with_all_that_it_may_cost(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path
) -> None:
    vendor.stream(DIALOGUE[0])
    audio = recording(tmp_path / "a.wav", call_of(tone(2), tone(2, 700)))
    with pytest.raises(ProviderFault, match="broke off") as caught:
        await transcribe(adapter, audio, BY_SPEAKER)
    assert caught.value.usage == Usage()
