"""What is billed for a recording never exceeds what was told before it was sent."""

import asyncio
import io
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from providers.adapters.base import ProviderAdapter, ProviderCall
from providers.adapters.deepgram import DeepgramAdapter
from providers.adapters.openai import OpenAIAdapter
from providers.prices import cost_of, upper_cost_of
from providers.recordings import Recordings, Sound
from providers.types import AudioFile, Capability, Offer, TranscriptionRequest, Usage
from tests.deepgram_answers import one_channel, two_channels
from tests.fake_vendor import Asked, FakeVendor, serve_fake_vendor
from tests.openai_speech import BY_SPEAKER, KEY, MP4, TEXT, done, form, grew

KINDS = {"WAV": "audio/wav", "FLAC": "audio/flac", "OGG": "audio/ogg", "MP3": "audio/mpeg"}
TAG = b"TAG" + bytes(125)
WORDS = (0.0, 0.1, 0, "Hello.")


# The recordings.


@dataclass(frozen=True, slots=True)
class Take:
    """A file, and how much somebody makes out who decodes all that is in it."""

    content: bytes
    media_type: str
    seconds: float


def record(
    kind: str, seconds: float, *, rate: int = 8_000, channels: int = 1, loudness: float = 0.3
) -> bytes:
    noise = np.random.default_rng(7).uniform(-loudness, loudness, (int(seconds * rate), channels))
    file = io.BytesIO()
    soundfile.write(file, noise, rate, format=kind)
    return file.getvalue()


@st.composite
def takes(draw: st.DrawFn) -> Take:
    """Record noise or silence; one or two files in one, with a tag behind, or not to its end."""
    kind, rate = draw(st.sampled_from(sorted(KINDS))), draw(st.sampled_from([8_000, 44_100]))
    channels = draw(st.integers(1, 2 if kind == "MP3" else 3))
    loudness, longest = draw(st.sampled_from([0, 0.3])), 12 if rate == 8_000 else 3
    lengths = draw(st.lists(st.floats(0.05, longest), min_size=1, max_size=2))
    sound = {"rate": rate, "channels": channels}
    pieces = [record(kind, each, **sound, loudness=loudness) for each in lengths]
    content = b"".join(pieces) + draw(st.sampled_from([b"", TAG]))
    if kind != "WAV":
        return Take(content, KINDS[kind], sum(lengths))
    head = pieces[0][: int(len(pieces[0]) * draw(st.floats(0.3, 1)))]
    return Take(head, KINDS[kind], len(head) / (2 * rate * channels))


# The vendors.


@dataclass
class Stand:
    """A vendor that is asked, who asks it, and what the vendor makes out."""

    runner: asyncio.Runner
    vendor: FakeVendor
    adapter: ProviderAdapter
    seconds: float = 0

    def ask(
        self, take: Take, capability: Capability, path: Path
    ) -> tuple[Offer, Sequence[Usage], Usage]:
        """Return the offer, the bounds that were told before, and what was billed."""
        path.write_bytes(take.content)
        self.seconds = math.ceil(take.seconds)
        return self.runner.run(self._ask(take, capability, path))

    async def _ask(
        self, take: Take, capability: Capability, path: Path
    ) -> tuple[Offer, Sequence[Usage], Usage]:
        audio = AudioFile(path=path, media_type=take.media_type, size=len(take.content))
        call = to_call(self.adapter, audio, capability)
        bounds = await self.adapter.upper_bounds(call)
        answer = await self.adapter.call(call, lambda _: None)
        return offer_of(self.adapter, capability), bounds, answer.usage

    def think(self, asked: Asked) -> None:
        """Bill every second that was begun."""
        if isinstance(self.adapter, DeepgramAdapter):
            if "multichannel" in asked.path:
                answer = two_channels(WORDS, duration=self.seconds)
            else:
                answer = one_channel(WORDS, voices="diarize" in asked.path, duration=self.seconds)
            self.vendor.answer(200, answer)
        elif "stream" in form(asked):
            usage = {"type": "duration", "seconds": self.seconds}
            self.vendor.stream(grew("Hello."), done("Hello.", usage=usage))
        else:
            told = {"type": "duration", "seconds": self.seconds}
            self.vendor.answer(200, {"text": "Hello.", "usage": told})


def offer_of(adapter: ProviderAdapter, capability: Capability) -> Offer:
    return next(one for one in adapter.offers() if one.capability is capability)


def to_call(
    adapter: ProviderAdapter, audio: AudioFile | None, capability: Capability, seconds: float = 20
) -> ProviderCall:
    request = TranscriptionRequest(audio_url="artifact://1")
    model = offer_of(adapter, capability).model
    return ProviderCall("call-1", capability, model, request, audio, seconds)


ADAPTERS: dict[str, Callable[[str], ProviderAdapter]] = {
    "deepgram": lambda url: DeepgramAdapter(SecretStr(KEY), url),
    "openai": lambda url: OpenAIAdapter(SecretStr(KEY), f"{url}/v1"),
}


def stands(name: str) -> Iterator[Stand]:
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        serving = serve_fake_vendor()
        vendor = runner.run(serving.__aenter__())
        stack.callback(lambda: runner.run(serving.__aexit__(None, None, None)))
        stand = Stand(runner, vendor, ADAPTERS[name](vendor.url))
        stack.callback(lambda: runner.run(stand.adapter.close()))
        vendor.think = stand.think
        yield stand


@pytest.fixture(scope="module")
def deepgram() -> Iterator[Stand]:
    yield from stands("deepgram")


@pytest.fixture(scope="module")
def openai() -> Iterator[Stand]:
    yield from stands("openai")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sound") / "recording"


def assert_within(offer: Offer, bounds: Sequence[Usage], used: Usage) -> None:
    """Assert that what was billed is no more than a bound, where there is one."""
    cost, most = cost_of(offer, used), upper_cost_of(offer, bounds)
    assert cost is not None
    assert most is None or cost <= most


@settings(max_examples=60, deadline=None)
@given(take=takes(), capability=st.sampled_from([TEXT, BY_SPEAKER]))
def test_nothing_that_deepgram_bills_exceeds_its_bound(
    deepgram: Stand, path: Path, take: Take, capability: Capability
) -> None:
    assert_within(*deepgram.ask(take, capability, path))


@settings(max_examples=30, deadline=None)
@given(take=takes())
def test_nothing_that_openai_bills_by_the_minute_exceeds_its_bound(
    openai: Stand, path: Path, take: Take
) -> None:
    assert_within(*openai.ask(take, TEXT, path))


# The bounds.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", ADAPTERS)
def test_recording_is_bound_by_its_seconds_whatever_its_header_says(
    request: pytest.FixtureRequest, path: Path, name: str, kind: str, channels: int
) -> None:
    stand: Stand = request.getfixturevalue(name)
    take = Take(record(kind, 2.5, channels=channels), KINDS[kind], 2.5)
    _, bounds, _ = stand.ask(take, TEXT, path)
    assert bounds[0] == Usage(audio_seconds=4)
    assert len(bounds) == 1


@pytest.mark.parametrize(
    ("channels", "most"),
    [
        (1, [Usage(audio_seconds=4, diarized_seconds=4)]),
        (2, [Usage(audio_seconds=4, diarized_seconds=4), Usage(audio_seconds=8)]),
        (3, [Usage(audio_seconds=4, diarized_seconds=4)]),
    ],
)
def test_speakers_at_deepgram_are_bound_by_voice_and_by_channel(
    deepgram: Stand, path: Path, channels: int, most: list[Usage]
) -> None:
    take = Take(record("WAV", 2.5, channels=channels), KINDS["WAV"], 2.5)
    _, bounds, _ = deepgram.ask(take, BY_SPEAKER, path)
    assert list(bounds) == most


def test_speakers_at_openai_have_no_bound(openai: Stand, path: Path) -> None:
    path.write_bytes(record("WAV", 1))
    audio = AudioFile(path=path, media_type="audio/wav", size=path.stat().st_size)
    call = to_call(openai.adapter, audio, BY_SPEAKER)
    assert openai.runner.run(openai.adapter.upper_bounds(call)) == ()


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize(
    "content",
    [MP4, b"no recording", b"", record("FLAC", 1) * 2, record("OGG", 1) * 2, record("MP3", 60) * 2],
    ids=["mp4", "nothing", "empty", "two flac", "two ogg", "two long mp3"],
)
def test_what_nobody_here_can_measure_has_no_bound(
    request: pytest.FixtureRequest, path: Path, name: str, content: bytes
) -> None:
    stand: Stand = request.getfixturevalue(name)
    path.write_bytes(content)
    audio = AudioFile(path=path, media_type="audio/flac", size=len(content))
    call = to_call(stand.adapter, audio, TEXT)
    assert not stand.runner.run(stand.adapter.upper_bounds(call))


def test_mp3_counts_with_what_follows_its_last_frame(deepgram: Stand, path: Path) -> None:
    two = Take(record("MP3", 2.5) * 2, KINDS["MP3"], 5)
    _, bounds, used = deepgram.ask(two, TEXT, path)
    assert used == Usage(audio_seconds=5)
    assert 6 <= (bounds[0].audio_seconds or 0) <= 20


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize("capability", [TEXT, BY_SPEAKER])
def test_call_without_a_recording_costs_nothing(
    request: pytest.FixtureRequest, name: str, capability: Capability
) -> None:
    stand: Stand = request.getfixturevalue(name)
    call = to_call(stand.adapter, None, capability)
    bounds = stand.runner.run(stand.adapter.upper_bounds(call))
    assert list(bounds) == [Usage(audio_seconds=0)]


@pytest.mark.parametrize("name", ADAPTERS)
def test_who_can_decode_nothing_knows_no_bound(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path.write_bytes(record("WAV", 1))
    audio = AudioFile(path=path, media_type="audio/wav", size=path.stat().st_size)
    monkeypatch.setattr("providers.recordings.find_spec", lambda _package: None)
    adapter = ADAPTERS[name]("http://127.0.0.1:9")
    assert asyncio.run(adapter.upper_bounds(to_call(adapter, audio, TEXT))) == ()


async def test_measuring_takes_no_longer_than_the_call_may(path: Path) -> None:
    path.write_bytes(record("WAV", 1))
    audio = AudioFile(path=path, media_type="audio/wav", size=path.stat().st_size)
    adapter = DeepgramAdapter(SecretStr(KEY), "http://127.0.0.1:9")
    assert await adapter.upper_bounds(to_call(adapter, audio, TEXT, seconds=0)) == ()
    await adapter.close()


@pytest.mark.parametrize(
    ("unread", "most"), [(0, 4), (128, 4), (1_000, 5), (65_536, 70), (65_537, None), (None, None)]
)
def test_bytes_behind_the_sound_count_at_the_lowest_rate(
    unread: int | None, most: int | None
) -> None:
    sound = Sound(seconds=2.5, channels=1, two_sides=False, unread=unread)
    assert sound.most_seconds == most


async def test_survey_tells_channels_and_what_was_not_read(path: Path) -> None:
    recordings = Recordings()
    path.write_bytes(record("WAV", 1, channels=3) + TAG)
    assert await recordings.survey(path) == Sound(1.0, 3, two_sides=False, unread=len(TAG))
    await recordings.close()
