"""A provider's key stays out of errors, history and log lines, whatever the provider answers."""

import logging
import traceback
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.failures import to_application_error
from providers.adapters.accent import MODEL, AccentAdapter
from providers.adapters.anthropic import AnthropicAdapter
from providers.adapters.base import ProviderAdapter, ProviderCall
from providers.adapters.compatible import CompatibleAdapter
from providers.adapters.deepgram import DeepgramAdapter
from providers.adapters.openai import OpenAIAdapter
from providers.compatible_server import CompatibleServer
from providers.error_table import showable
from providers.errors import ProviderError
from providers.types import Capability, RedactionRequest
from tests import deepgram_calls, openai_speech
from tests.asking import generate
from tests.dialects import ANTHROPIC, DIALECTS, OPENAI, Dialect
from tests.fake_vendor import FakeVendor, serve_fake_vendor

# A form that no vendor has, and that addresses and base64 write in their own way.
KEY = "gate/way+key=0123456789"
STARRED = "gate****************6789"
ECHOES = [
    KEY,
    f"Bearer {KEY}",
    quote(KEY, safe=""),
    b64encode(KEY.encode()).decode(),
    b64encode(KEY.encode()).decode().rstrip("="),
    STARRED,
]

Ask = Callable[[str, Path], Awaitable[object]]


async def asked(adapter: ProviderAdapter, asking: Awaitable[object]) -> None:
    try:
        await asking
    finally:
        await adapter.close()


async def ask_openai(url: str, _folder: Path) -> None:
    adapter = OPENAI.adapter(url, KEY)
    await asked(adapter, generate(adapter))


async def ask_openai_to_hear(url: str, folder: Path) -> None:
    adapter = OpenAIAdapter(SecretStr(KEY), f"{url}/v1")
    audio = openai_speech.recording(folder / "call.m4a", openai_speech.MP4)
    await asked(adapter, openai_speech.transcribe(adapter, audio))


async def ask_anthropic(url: str, _folder: Path) -> None:
    adapter = ANTHROPIC.adapter(url, KEY)
    await asked(adapter, generate(adapter))


async def ask_gateway(url: str, _folder: Path) -> None:
    server = CompatibleServer(name="gateway", base_url=f"{url}/v1", model="m", api_key_env="KEY")
    adapter = CompatibleAdapter(server, SecretStr(KEY))
    await asked(adapter, generate(adapter))


async def ask_deepgram(url: str, folder: Path) -> None:
    adapter = DeepgramAdapter(SecretStr(KEY), url)
    path = deepgram_calls.recording(folder / "call.wav", channels=1)
    await asked(adapter, deepgram_calls.transcribe(adapter, path))


async def ask_accent(url: str, _folder: Path) -> None:
    adapter = AccentAdapter(SecretStr(KEY), url)
    request = RedactionRequest(text="Hello Jane")
    call = ProviderCall("call-1", Capability.PII_REDACTION, MODEL, request, None, 20)
    await asked(adapter, adapter.call(call, lambda _: None))


ASKS: Mapping[str, Ask] = {
    "openai": ask_openai,
    "openai speech": ask_openai_to_hear,
    "anthropic": ask_anthropic,
    "gateway": ask_gateway,
    "deepgram": ask_deepgram,
    "accent": ask_accent,
}


def body_full_of(echo: str) -> dict[str, Any]:
    """Write an error that is every vendor's, with the echo in all that can hold it."""
    names = ("message", "code", "err_code", "err_msg", "category", "title", "detail", "type")
    error = {
        "message": f"Incorrect API key provided: {echo}.",
        "details": {"error_code": echo},
        **dict.fromkeys(("type", "code", "param"), echo),
    }
    return {**dict.fromkeys(names, f"You sent {echo}, which is wrong"), "error": error}


def kept_of(error: ProviderError) -> str:
    """Return all of an error that Temporal's history or a log may keep."""
    told = to_application_error(error, 1)
    told.__cause__ = error
    failure, converter = Failure(), pydantic_data_converter
    converter.failure_converter.to_failure(told, converter.payload_converter, failure)
    return str(failure) + "".join(traceback.format_exception(told)) + repr(vars(error))


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with serve_fake_vendor() as vendor:
        yield vendor


@pytest.mark.parametrize("status", [400, 401, 418, 429, 500])
@pytest.mark.parametrize("name", ASKS)
async def test_key_in_an_error_is_nowhere(
    vendor: FakeVendor, caplog: pytest.LogCaptureFixture, tmp_path: Path, name: str, status: int
) -> None:
    caplog.set_level(logging.INFO)
    for echo in ECHOES:
        headers = {"retry-after": echo, "www-authenticate": echo, "x-request": echo}
        vendor.answer(status, body_full_of(echo), headers)
        with capture_logs() as logs, pytest.raises(ProviderError) as caught:
            await ASKS[name](vendor.url, tmp_path)
        kept = f"{kept_of(caught.value)}{logs}{caplog.text}"
        assert echo not in kept
        assert "[key]" in str(caught.value)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
async def test_key_in_an_error_of_a_stream_is_nowhere(
    vendor: FakeVendor, tmp_path: Path, dialect: Dialect[Any]
) -> None:
    error = dialect.error_body(KEY, KEY, f"Incorrect API key: {KEY}")
    vendor.stream(*dialect.broken_off(), {**error, "type": "error"})
    with capture_logs() as logs, pytest.raises(ProviderError) as caught:
        await ASKS[dialect.name](vendor.url, tmp_path)
    assert KEY not in f"{kept_of(caught.value)}{logs}"


@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("anthropic", [ANTHROPIC.started(), *ANTHROPIC.ending(KEY)]),
        (
            "anthropic",
            [
                ANTHROPIC.started(),
                *ANTHROPIC.ending("refusal", stop_details={"type": "refusal", "category": KEY}),
            ],
        ),
        ("openai", [{**OPENAI.ended(KEY), "type": "response.completed"}]),
        ("openai", [OPENAI.ended("incomplete", incomplete_details={"reason": KEY})]),
    ],
)
async def test_key_in_an_ending_is_nowhere(
    vendor: FakeVendor, tmp_path: Path, name: str, events: list[dict[str, Any]]
) -> None:
    vendor.stream(*events)
    with capture_logs() as logs, pytest.raises(ProviderError, match=r"\[key\]") as caught:
        await ASKS[name](vendor.url, tmp_path)
    assert KEY not in f"{kept_of(caught.value)}{logs}"


def test_words_stay_what_they_are_and_short() -> None:
    assert showable("Use **two** stars,\n not sk-1.", "") == "Use **two** stars, not sk-1."
    assert len(showable("x" * 10_000_000, KEY)) == 301


async def test_spans_are_not_the_sdks_to_make(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE", "content")
    adapter = AnthropicAdapter(SecretStr(KEY))
    client = await adapter._connected()
    assert client.open_telemetry["traces"]["enabled"] is False
    assert client.open_telemetry["propagation"] is False
    await adapter.close()
