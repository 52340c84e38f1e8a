import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
import soundfile
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from providers.adapters.base import ProviderAnswer, ProviderCall
from providers.adapters.deepgram import (
    MAX_FILE_BYTES,
    MODEL,
    UPLOAD_SHARE,
    DeepgramAdapter,
)
from providers.channels import count_channels
from providers.errors import (
    InputTooLarge,
    InvalidRequest,
    UnsupportedInput,
)
from providers.types import (
    Capability,
    Segment,
    SummarizationRequest,
    TranscriptionResponse,
    Usage,
)
from settings import ROOT
from tests.deepgram_answers import DURATION, one_channel, two_channels
from tests.deepgram_calls import KEY, call_for, recording, transcribe
from tests.described import assert_described
from tests.fake_vendor import FakeVendor, serve_fake_vendor

SPEC = ROOT.parent / "shared" / "specs" / "deepgram.json"
SAMPLE = ROOT / "examples" / "support_call.flac"
DIARIZATION = Capability.TRANSCRIPTION_DIARIZATION
HELLO = (0.4, 3.51, 0, "Hello.")
BYE = (3.86, 8.45, 1, "Goodbye.")


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    if not SPEC.exists():
        pytest.skip("the vendors' API descriptions are not here")
    # A model is "one of" a list of names or any string: each name on the list is both.
    description: dict[str, Any] = json.loads(SPEC.read_text().replace('"oneOf"', '"anyOf"'))
    return description


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with serve_fake_vendor() as vendor:
        vendor.answer(200, one_channel(HELLO))
        yield vendor


@pytest.fixture
async def adapter(vendor: FakeVendor) -> AsyncIterator[DeepgramAdapter]:
    adapter = DeepgramAdapter(SecretStr(KEY), vendor.url)
    yield adapter
    await adapter.close()


@pytest.fixture
def mono(tmp_path: Path) -> Path:
    return recording(tmp_path / "mono.wav", channels=1)


@pytest.fixture
def stereo(tmp_path: Path) -> Path:
    return recording(tmp_path / "stereo.wav", channels=2)


def response_of(answer: ProviderAnswer) -> TranscriptionResponse:
    assert isinstance(answer.response, TranscriptionResponse)
    return answer.response


def query_of(vendor: FakeVendor) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(vendor.asked[-1].path).query))


async def test_recording_goes_out_as_it_is_with_its_length(
    vendor: FakeVendor, adapter: DeepgramAdapter, mono: Path
) -> None:
    await transcribe(adapter, mono)
    asked = vendor.asked[0]
    assert urlsplit(asked.path).path == "/v1/listen"
    assert asked.body == mono.read_bytes()
    assert asked.headers["authorization"] == f"token {KEY}"
    assert asked.headers["content-type"] == "audio/wav"
    assert asked.headers["content-length"] == str(mono.stat().st_size)
    assert "transfer-encoding" not in asked.headers


@pytest.mark.parametrize("media_type", ["application/json", "text/plain"])
async def test_what_is_no_recording_is_never_taken_for_an_address_to_fetch_from(
    vendor: FakeVendor, adapter: DeepgramAdapter, tmp_path: Path, media_type: str
) -> None:
    path = tmp_path / "artifact"
    path.write_bytes(b'{"url": "https://somewhere.example/call.wav"}')
    call = call_for(path)
    assert call.audio is not None
    audio = call.audio.model_copy(update={"media_type": media_type})
    await adapter.call(replace(call, audio=audio), lambda _: None)
    assert vendor.asked[0].headers["content-type"] == "application/octet-stream"


async def test_answer_brings_text_segments_and_usage(
    vendor: FakeVendor, adapter: DeepgramAdapter, mono: Path
) -> None:
    vendor.answer(200, one_channel(BYE, HELLO, language="de"))
    answer = await transcribe(adapter, mono)
    assert answer.response == TranscriptionResponse(
        text="Hello.\nGoodbye.",
        language="de",
        duration_seconds=DURATION,
        segments=(
            Segment(start=0.4, end=3.51, text="Hello.", confidence=0.98),
            Segment(start=3.86, end=8.45, text="Goodbye.", confidence=0.98),
        ),
    )
    assert answer.usage == Usage(audio_seconds=DURATION)


async def test_voices_of_one_channel_are_told_apart(
    vendor: FakeVendor, adapter: DeepgramAdapter, mono: Path
) -> None:
    vendor.answer(200, one_channel(HELLO, BYE, voices=True))
    answer = await transcribe(adapter, mono, DIARIZATION)
    segments = response_of(answer).segments or ()
    assert [segment.speaker for segment in segments] == ["speaker_0", "speaker_1"]
    assert answer.usage == Usage(audio_seconds=DURATION, diarized_seconds=DURATION)
    query = query_of(vendor)
    assert query["diarize_model"] == "latest"
    assert "multichannel" not in query


async def test_each_of_two_channels_is_a_speaker(
    vendor: FakeVendor, adapter: DeepgramAdapter, stereo: Path
) -> None:
    again = (9.0, 9.5, 0, "Still there?")
    vendor.answer(200, two_channels(HELLO, BYE, again))
    answer = await transcribe(adapter, stereo, DIARIZATION)
    segments = response_of(answer).segments or ()
    assert [(segment.speaker, segment.text) for segment in segments] == [
        ("speaker_0", "Hello."),
        ("speaker_1", "Goodbye."),
        ("speaker_0", "Still there?"),
    ]
    assert answer.usage == Usage(audio_seconds=2 * DURATION)
    query = query_of(vendor)
    assert query["multichannel"] == "true"
    assert "diarize_model" not in query


async def test_two_channels_with_one_sound_are_told_apart_by_voice_and_paid_for_once(
    vendor: FakeVendor, adapter: DeepgramAdapter, tmp_path: Path
) -> None:
    vendor.answer(200, one_channel(HELLO, BYE, voices=True))
    path = recording(tmp_path / "copied.wav", channels=2, same=True)
    answer = await transcribe(adapter, path, DIARIZATION)
    segments = response_of(answer).segments or ()
    assert [segment.speaker for segment in segments] == ["speaker_0", "speaker_1"]
    assert answer.usage == Usage(audio_seconds=DURATION, diarized_seconds=DURATION)
    query = query_of(vendor)
    assert (query["diarize_model"], query.get("multichannel")) == ("latest", None)


async def test_two_channels_that_can_not_be_decoded_here_are_believed(
    vendor: FakeVendor, adapter: DeepgramAdapter, tmp_path: Path
) -> None:
    vendor.answer(200, two_channels(HELLO, BYE))
    path = recording(tmp_path / "call.wav", channels=2, same=True)
    content = bytearray(path.read_bytes())
    content[20] = 0x99  # a codec that nobody knows
    path.write_bytes(content)
    await transcribe(adapter, path, DIARIZATION)
    assert query_of(vendor)["multichannel"] == "true"


async def test_without_a_decoder_two_channels_are_believed(
    vendor: FakeVendor, adapter: DeepgramAdapter, tmp_path: Path
) -> None:
    vendor.answer(200, two_channels(HELLO, BYE))
    adapter._recordings = None
    path = recording(tmp_path / "copied.wav", channels=2, same=True)
    await transcribe(adapter, path, DIARIZATION)
    assert query_of(vendor)["multichannel"] == "true"


async def test_two_channels_are_mixed_where_nobody_asks_who_spoke(
    vendor: FakeVendor, adapter: DeepgramAdapter, stereo: Path
) -> None:
    await transcribe(adapter, stereo)
    assert {"multichannel", "diarize_model"} & set(query_of(vendor)) == set()


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3", "aiff"])
@pytest.mark.parametrize("channels", [1, 2])
def test_channels_are_counted_by_content_not_by_name(
    tmp_path: Path, kind: str, channels: int
) -> None:
    path = tmp_path / "recording"
    noise = np.random.default_rng(1).integers(-9999, 9999, (16_000 * 60, channels), np.int16)
    soundfile.write(path, noise, 16_000, format=kind.upper())
    assert count_channels(path) == channels


@pytest.mark.parametrize("content", [b"no audio at all", b"RIFF", b"fLaC\x00", b""])
async def test_unreadable_header_is_not_two_channels(
    vendor: FakeVendor, adapter: DeepgramAdapter, tmp_path: Path, content: bytes
) -> None:
    vendor.answer(200, one_channel(HELLO, voices=True))
    path = tmp_path / "artifact"
    path.write_bytes(content)
    await transcribe(adapter, path, DIARIZATION)
    assert query_of(vendor)["diarize_model"] == "latest"


async def test_channels_with_the_same_speech_tell_nobody_apart(
    vendor: FakeVendor, adapter: DeepgramAdapter, stereo: Path
) -> None:
    vendor.answer(200, two_channels(HELLO, (*HELLO[:2], 1, HELLO[3])))
    with pytest.raises(UnsupportedInput, match="one channel") as caught:
        await transcribe(adapter, stereo, DIARIZATION)
    assert caught.value.usage == Usage(audio_seconds=2 * DURATION)


async def test_language_that_is_known_is_not_detected(
    vendor: FakeVendor, adapter: DeepgramAdapter, mono: Path
) -> None:
    answer = await transcribe(adapter, mono, language="en-GB")
    query = query_of(vendor)
    assert (query["language"], query.get("detect_language")) == ("en-GB", None)
    assert response_of(answer).language == "en-GB"


async def test_detected_language_is_the_one_most_was_said_in(
    vendor: FakeVendor, adapter: DeepgramAdapter, stereo: Path
) -> None:
    vendor.answer(200, two_channels(HELLO, BYE, languages=("da", "en")))
    answer = await transcribe(adapter, stereo, DIARIZATION)
    assert query_of(vendor)["detect_language"] == "true"
    assert response_of(answer).language == "en"


async def test_mixed_languages_have_another_price_and_are_not_asked_for(
    vendor: FakeVendor, adapter: DeepgramAdapter, mono: Path
) -> None:
    with pytest.raises(UnsupportedInput):
        await transcribe(adapter, mono, language="multi")
    assert vendor.asked == []


@pytest.mark.parametrize("utterances", [[], None])
async def test_silence_is_an_answer(
    vendor: FakeVendor, adapter: DeepgramAdapter, mono: Path, utterances: list[Any] | None
) -> None:
    answer = one_channel()
    answer["results"]["utterances"] = utterances
    if utterances is None:
        del answer["results"]["utterances"]
    vendor.answer(200, answer)
    response = response_of(await transcribe(adapter, mono, DIARIZATION))
    assert (response.text, response.segments) == ("", ())


@pytest.mark.parametrize("language", [None, "en"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("capability", [Capability.TRANSCRIPTION, DIARIZATION])
async def test_requests_follow_the_description_of_the_api(
    vendor: FakeVendor,
    adapter: DeepgramAdapter,
    spec: dict[str, Any],
    tmp_path: Path,
    language: str | None,
    channels: int,
    capability: Capability,
) -> None:
    vendor.answer(200, one_channel((0, 1, 0, "Hi."), (1, 2, 1, "Ho."), voices=True))
    path = recording(tmp_path / "call.wav", channels=channels)
    await transcribe(adapter, path, capability, language=language)
    assert_query_described(query_of(vendor), spec)


def test_description_knows_the_model(spec: dict[str, Any]) -> None:
    assert MODEL in spec["components"]["schemas"]["V1ListenPostParametersModel0"]["enum"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"diarize": "true"}, "deprecated: diarize"),
        ({"diarise_model": "v2"}, "not described: diarise_model"),
        ({"diarize_model": "v9"}, "no value of diarize_model: v9"),
        ({"utterances": "1"}, "no value of utterances: 1"),
    ],
)
def test_description_refuses_a_wrong_parameter(
    spec: dict[str, Any], query: dict[str, str], message: str
) -> None:
    with pytest.raises(AssertionError, match=message):
        assert_query_described(query, spec)


def assert_query_described(query: dict[str, str], spec: dict[str, Any]) -> None:
    """Assert that each parameter is described, current, and has a value that it may have."""
    described = {
        parameter["name"]: parameter
        for parameter in spec["paths"]["/v1/listen"]["post"]["parameters"]
        if parameter["in"] == "query"
    }
    for name, value in query.items():
        assert name in described, f"not described: {name}"
        assert not described[name]["description"].startswith("Deprecated"), f"deprecated: {name}"
        schema = {**described[name]["schema"], "components": spec["components"]}
        # A query has strings only; true and false are booleans.
        meant = {"true": True, "false": False}.get(value, value)
        assert Draft202012Validator(schema).is_valid(meant), f"no value of {name}: {value}"


@pytest.mark.parametrize(
    "answer",
    [
        one_channel(),
        one_channel(HELLO, BYE, voices=True, language="en"),
        two_channels(HELLO, BYE, languages=("en", "en")),
    ],
)
def test_fake_answers_follow_the_description_of_the_api(
    spec: dict[str, Any], answer: dict[str, Any]
) -> None:
    reference = {"$ref": "#/components/schemas/ListenV1Response"}
    assert_described(answer, reference, {"components": spec["components"]})


async def test_upload_is_progress_and_waiting_is_none(
    vendor: FakeVendor, adapter: DeepgramAdapter, tmp_path: Path
) -> None:
    vendor.answer(200, two_channels(HELLO, BYE))
    progress: list[float] = []
    path = tmp_path / "artifact"
    path.write_bytes(SAMPLE.read_bytes())
    await transcribe(adapter, path, DIARIZATION, report=progress.append)
    assert len(set(progress)) >= 25
    assert progress == sorted(progress)
    assert progress[-1] == UPLOAD_SHARE


async def test_recording_that_is_too_large_is_not_sent(
    vendor: FakeVendor, adapter: DeepgramAdapter, tmp_path: Path
) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(InputTooLarge) as caught:
        await transcribe(adapter, path)
    assert caught.value.usage is None
    assert vendor.asked == []


async def test_other_requests_are_refused(adapter: DeepgramAdapter) -> None:
    call = ProviderCall(
        call_id="call-1",
        capability=Capability.SUMMARIZATION,
        model=MODEL,
        request=SummarizationRequest(text="Hello"),
        audio=None,
        timeout=1,
    )
    with pytest.raises(InvalidRequest):
        await adapter.call(call, lambda _: None)


def test_default_address_and_limits() -> None:
    plain, diarization = DeepgramAdapter(SecretStr(KEY)).offers()
    assert plain.available
    assert plain.limits.max_file_bytes == MAX_FILE_BYTES
    assert plain.price == Decimal("0.0043")
    assert diarization.diarization_price == Decimal("0.0020")
    assert "https://deepgram.com/pricing" in plain.price_source
    assert len(plain.price_source) <= 200, "the ledger's column"
    assert diarization.caveat is not None


def test_without_a_key_the_reason_says_what_to_do() -> None:
    offers = DeepgramAdapter(None).offers()
    assert {(offer.available, offer.reason) for offer in offers} == {
        (False, "Set DEEPGRAM_API_KEY to enable it.")
    }
