from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr

from providers.adapters.openai import OpenAIAdapter
from providers.errors import (
    InputTooLarge,
    ProviderError,
    ProviderFault,
    ProviderUnavailable,
    RateLimited,
    UnsupportedInput,
)
from providers.types import (
    Usage,
)
from tests.fake_vendor import FakeVendor
from tests.openai_speech import (
    BY_SPEAKER,
    DIALOGUE,
    KEY,
    MP4,
    SOUND,
    Event,
    Pair,
    done,
    error_body,
    grew,
    openai_with_its_fake,
    recording,
    tone,
    transcribe,
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


@pytest.mark.parametrize(
    ("status", "kind", "code", "expected"),
    [
        (400, "invalid_request_error", "unsupported_format", UnsupportedInput),
        (400, "invalid_request_error", "invalid_value", UnsupportedInput),
        (400, "invalid_request_error", None, UnsupportedInput),
        (401, "invalid_request_error", "invalid_api_key", ProviderUnavailable),
        (404, "invalid_request_error", "model_not_found", ProviderUnavailable),
        (413, "server_error", None, InputTooLarge),
        (429, "requests", "rate_limit_exceeded", RateLimited),
        (500, "server_error", None, ProviderFault),
    ],
)
async def test_documented_errors(
    vendor: FakeVendor,
    adapter: OpenAIAdapter,
    tmp_path: Path,
    status: int,
    kind: str,
    code: str | None,
    expected: type[ProviderError],
) -> None:
    vendor.answer(status, error_body(kind, code))
    with pytest.raises(expected) as caught:
        await transcribe(adapter, recording(tmp_path / "a.wav", tone(1)))
    assert type(caught.value) is expected
    assert caught.value.usage is None
    assert len(vendor.asked) == 1, "retries belong to Temporal"


async def test_key_is_masked(vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path) -> None:
    vendor.answer(400, error_body(words=f"Incorrect API key: {KEY}. Sorry."))
    with pytest.raises(UnsupportedInput, match=r"key: \[key\]\. Sorry") as caught:
        await transcribe(adapter, recording(tmp_path / "a.wav", tone(1)))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([], id="nothing"),
        pytest.param([grew("Good")], id="truncated"),
        pytest.param([b"data: {broken\n\n"], id="no JSON"),
        pytest.param([{"type": "transcript.text.done"}], id="no text"),
        pytest.param([done("a", usage={"type": "tokens"})], id="no figures"),
        pytest.param([done("a", usage={"type": "duration", "seconds": -1})], id="negative"),
        pytest.param([done("a", languages=[{}])], id="no code"),
        pytest.param([{"type": "transcript.text.delta"}], id="no delta"),
    ],
)
async def test_stream_that_can_not_be_read_is_a_fault(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path, events: list[Event | bytes]
) -> None:
    vendor.stream(*events)
    with pytest.raises(ProviderFault) as caught:
        await transcribe(adapter, recording(tmp_path / "a.wav", tone(1)))
    assert caught.value.usage == Usage(), "it may have been billed"


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([done("Good morning.", usage=SOUND)], id="no segments"),
        pytest.param([{**DIALOGUE[0], "start": -1}], id="before the beginning"),
        pytest.param([{**DIALOGUE[0], "speaker": None}], id="nobody"),
    ],
)
async def test_speakers_that_can_not_be_read_are_a_fault(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path, events: list[Event]
) -> None:
    vendor.stream(*events)
    with pytest.raises(ProviderFault):
        await transcribe(adapter, recording(tmp_path / "a.wav", tone(1)), BY_SPEAKER)


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"{}", b'{"text": "Good morning."}', b'{"text": 1}']
)
async def test_answer_in_one_piece_that_can_not_be_read_is_a_fault(
    vendor: FakeVendor, adapter: OpenAIAdapter, tmp_path: Path, body: bytes
) -> None:
    vendor.answer(200, body)
    with pytest.raises(ProviderFault):
        await transcribe(adapter, recording(tmp_path / "a.m4a", MP4))


async def test_nobody_there_costs_nothing(tmp_path: Path) -> None:
    adapter = OpenAIAdapter(SecretStr(KEY), "http://127.0.0.1:9/v1")
    with pytest.raises(ProviderFault, match="connection") as caught:
        await transcribe(adapter, recording(tmp_path / "a.wav", tone(1)))
    assert caught.value.usage is None
    await adapter.close()
