import asyncio
import json
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from providers.adapters.openai import OpenAIAdapter
from providers.errors import (
    ProviderFault,
)
from providers.prices import cost_of
from providers.types import (
    Capability,
    Segment,
    TranscriptionResponse,
    Usage,
)
from settings import ROOT
from tests.described import assert_described
from tests.fake_vendor import FakeVendor
from tests.openai_speech import (
    BY_SPEAKER,
    DIALOGUE,
    KEY,
    MP4,
    TEXT,
    TOLD,
    USED,
    WHOLE,
    WHOLE_DIALOGUE,
    Event,
    Pair,
    Samples,
    call_of,
    done,
    file_part,
    form,
    grew,
    offer_of,
    openai_with_its_fake,
    recording,
    tokens,
    tone,
    transcribe,
    transcript,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPEC = Path(__file__).resolve().parents[4] / "shared" / "specs" / "openai.json"


def documented(sold: str) -> Decimal:
    """Read the cost of an example in the documentation."""
    lines = (ROOT / "docs" / "providers.md").read_text().splitlines()
    (row,) = [line for line in lines if line.startswith(f"| {sold} |")]
    return Decimal(row.split("|")[3].strip())


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


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    if not SPEC.exists():
        pytest.skip("the vendors' API descriptions are not here")
    description: dict[str, Any] = json.loads(SPEC.read_text())
    return {"components": description["components"]}


async def test_transcript_brings_text_language_length_and_exact_cost(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path
) -> None:
    vendor.stream(*TOLD)
    audio = recording(tmp_path / "a.wav", tone(2))
    answer = await transcribe(adapter, audio)
    assert answer.response == TranscriptionResponse(
        text="Good morning.", language="en", duration_seconds=2, segments=None
    )
    assert answer.usage == Usage(audio_seconds=2)
    assert cost_of(offer_of(adapter, TEXT), answer.usage) == Decimal("0.00015")
    assert vendor.asked[0].path == "/v1/audio/transcriptions"
    assert vendor.asked[0].headers["authorization"] == f"bearer {KEY}"


async def test_connection_is_used_again(tmp_path: Path) -> None:
    audio = recording(tmp_path / "a.wav", tone(1))
    async with openai_with_its_fake() as (adapter, vendor):
        vendor.keeps_open = True
        vendor.stream(*TOLD)
        for _ in range(2):
            await transcribe(adapter, audio)
        assert (vendor.connections, len(vendor.asked)) == (1, 2)


async def test_speakers_have_numbers_in_the_order_in_which_they_begin(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path
) -> None:
    vendor.stream(*DIALOGUE)
    audio = recording(tmp_path / "a.wav", tone(2))
    answer = await transcribe(adapter, audio, BY_SPEAKER, language="en-GB")
    assert answer.response == TranscriptionResponse(
        text="Good morning.\nHello.\nHow can I help?",
        language="en-GB",
        duration_seconds=2,
        segments=(
            Segment(start=0, end=0.8, text="Good morning.", speaker="speaker_0"),
            Segment(start=0.9, end=1.5, text="Hello.", speaker="speaker_1"),
            Segment(start=1.6, end=2, text="How can I help?", speaker="speaker_0"),
        ),
    )
    offer = offer_of(adapter, BY_SPEAKER)
    assert answer.usage == USED
    # USD per million: 6 for sound, 10 for output.
    assert cost_of(offer, answer.usage) == documented("tokens of sound") == Decimal("0.0066")


async def test_recording_that_can_not_be_decoded_here_is_answered_in_one_piece(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path
) -> None:
    vendor.answer(200, WHOLE)
    answer = await transcribe(adapter, recording(tmp_path / "a.m4a", MP4))
    assert transcript(answer).duration_seconds == 90
    assert "stream" not in form(vendor.asked[0])
    assert cost_of(offer_of(adapter, TEXT), answer.usage) == documented("minutes, at OpenAI")


async def test_speakers_are_told_in_one_piece_too(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path
) -> None:
    vendor.answer(200, WHOLE_DIALOGUE)
    answer = await transcribe(adapter, recording(tmp_path / "a.m4a", MP4), BY_SPEAKER)
    segments = transcript(answer).segments
    assert segments is not None
    assert [segment.speaker for segment in segments] == ["speaker_0", "speaker_1", "speaker_0"]
    assert answer.usage == USED


async def test_seconds_that_were_sold_are_what_counts(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path
) -> None:
    vendor.stream(done("Hi.", usage={"type": "duration", "seconds": 3}))
    answer = await transcribe(adapter, recording(tmp_path / "a.wav", tone(2.5)))
    assert answer.usage == Usage(audio_seconds=3)
    assert transcript(answer).duration_seconds == 2.5


@pytest.mark.parametrize("more", [{"usage": tokens()}, {}])
async def test_tokens_of_an_unknown_kind_have_no_price(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path, more: dict[str, Any]
) -> None:
    vendor.stream(DIALOGUE[0], done("Good morning.", **more))
    answer = await transcribe(adapter, recording(tmp_path / "a.wav", tone(2)), BY_SPEAKER)
    assert cost_of(offer_of(adapter, BY_SPEAKER), answer.usage) is None


async def test_offers_say_what_limits_them(adapter: OpenAIAdapter) -> None:
    text, by_speaker = offer_of(adapter, TEXT), offer_of(adapter, BY_SPEAKER)
    assert (text.model, text.price, text.retires) == ("gpt-transcribe", Decimal("0.0045"), None)
    assert text.limits.max_file_bytes == by_speaker.limits.max_file_bytes == 25_000_000
    assert (by_speaker.model, by_speaker.price) == (
        "gpt-4o-transcribe-diarize",
        Decimal("0.000006"),
    )
    assert (str(by_speaker.retires), by_speaker.limits.max_duration_seconds) == ("2027-02-26", 1400)


# What is sent


@pytest.mark.parametrize("capability", [TEXT, BY_SPEAKER])
@pytest.mark.parametrize("content", [tone(2), MP4], ids=["streamed", "in one piece"])
async def test_requests_follow_the_description_of_the_api(
    vendor: FakeVendor,
    adapter: OpenAIAdapter,
    tmp_path: Path,
    spec: dict[str, Any],
    capability: Capability,
    content: Samples | bytes,
) -> None:
    whole = WHOLE if capability is TEXT else WHOLE_DIALOGUE
    if isinstance(content, bytes):
        vendor.answer(200, whole)
    else:
        vendor.stream(*(TOLD if capability is TEXT else DIALOGUE))
    await transcribe(adapter, recording(tmp_path / "a", content), capability, language="en-GB")
    sent = {**form(vendor.asked[0]), "file": "…"}
    assert_described(sent, {"$ref": "#/components/schemas/CreateTranscriptionRequest"}, spec)


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        *((event, "CreateTranscriptionResponseStreamEvent") for event in (*TOLD, *DIALOGUE)),
        (WHOLE, "CreateTranscriptionResponseJson"),
        (WHOLE_DIALOGUE, "CreateTranscriptionResponseDiarizedJson"),
    ],
)
async def test_fake_answers_follow_the_description_of_the_api(
    spec: dict[str, Any], value: Event, schema: str
) -> None:
    assert_described(value, {"$ref": f"#/components/schemas/{schema}"}, spec)


async def test_each_model_is_asked_for_all_that_it_can_tell(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path
) -> None:
    audio = recording(tmp_path / "a.wav", tone(2))
    vendor.stream(*TOLD)
    await transcribe(adapter, audio, language="en-GB")
    vendor.stream(*DIALOGUE)
    await transcribe(adapter, audio, BY_SPEAKER, language="en-GB")
    content = audio.path.read_bytes()
    assert [form(asked) for asked in vendor.asked] == [
        {
            "file": content,
            "model": "gpt-transcribe",
            "response_format": "json",
            "stream": True,
            "languages": ["en"],
        },
        {
            "file": content,
            "model": "gpt-4o-transcribe-diarize",
            "response_format": "diarized_json",
            "chunking_strategy": "auto",
            "stream": True,
            "language": "en",
        },
    ]


@pytest.mark.parametrize(
    ("tag", "sent"), [("pt_BR", ["pt"]), ("EN", ["en"]), ("yue", None), (None, None)]
)
async def test_language_hint_is_the_code_that_the_api_knows(
    vendor: FakeVendor,
    adapter: OpenAIAdapter,
    tmp_path: Path,
    tag: str | None,
    sent: list[str] | None,
) -> None:
    vendor.stream(*TOLD)
    await transcribe(adapter, recording(tmp_path / "a.wav", tone(1)), language=tag)
    assert form(vendor.asked[0]).get("languages") == sent


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("WAV", ("recording.wav", "audio/wav")),
        ("FLAC", ("recording.flac", "audio/flac")),
        ("MP3", ("recording.mp3", "audio/mpeg")),
        ("OGG", ("recording.ogg", "audio/ogg")),
    ],
)
async def test_file_that_openai_takes_goes_as_it_is(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path, kind: str, expected: tuple[str, str]
) -> None:
    vendor.stream(*TOLD)
    audio = recording(tmp_path / "a", tone(1), kind=kind)
    await transcribe(adapter, audio)
    assert form(vendor.asked[0])["file"] == audio.path.read_bytes()
    assert file_part(vendor.asked[0]) == expected


async def test_progress_is_what_was_sent_and_what_was_written(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path
) -> None:
    vendor.stream(grew("x" * 16), grew("x" * 16), done("x" * 32))
    progress: list[float] = []
    # 64 KiB are read, and sent, at a time: 160,044 bytes.
    await transcribe(adapter, recording(tmp_path / "a.wav", tone(10)), report=progress.append)
    assert progress == sorted(progress)
    sent = [65_536 / 160_044, 131_072 / 160_044, 1, 1]
    written = [0.2 + 0.8 * 16 / 160, 0.2 + 0.8 * 32 / 160, 1]
    assert progress == pytest.approx([0.2 * part for part in sent] + written)


async def test_stalled_answer_makes_no_progress(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path
) -> None:
    vendor.stream(grew("x" * 16), ending="silent")
    progress: list[float] = []
    with pytest.raises(ProviderFault, match="in time") as caught:
        await transcribe(
            adapter,
            recording(tmp_path / "a.wav", tone(10)),
            report=progress.append,
            seconds=0.3,
        )
    assert progress[-1] == pytest.approx(0.2 + 0.8 * 16 / 160)
    assert caught.value.usage == Usage()


@pytest.mark.parametrize("samples", [tone(1), call_of(tone(1), tone(1, 700))], ids=["one", "two"])
async def test_cancellation_hangs_up_within_a_second(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path, samples: Samples
) -> None:
    vendor.stream(DIALOGUE[0], ending="silent")
    begun = asyncio.Event()
    told: list[Usage | None] = []

    def report(fraction: float) -> None:
        if fraction > 0.2:
            begun.set()

    task = asyncio.create_task(
        transcribe(
            adapter,
            recording(tmp_path / "a.wav", samples),
            BY_SPEAKER,
            report=report,
            report_usage=told.append,
        )
    )
    async with asyncio.timeout(20):
        await begun.wait()
    begin = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == [Usage()]
    async with asyncio.timeout(5):
        await vendor.hung_up.wait()
    assert time.monotonic() - begin < 1


async def test_cancellation_before_anything_was_sent_costs_nothing(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path
) -> None:
    told: list[Usage | None] = []
    audio = recording(tmp_path / "a.wav", tone(600))
    task = asyncio.create_task(transcribe(adapter, audio, report_usage=told.append))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == [None]
    assert vendor.asked == []
