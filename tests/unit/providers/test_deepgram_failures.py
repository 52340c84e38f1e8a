"""How Deepgram fails, and what that costs."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.failures import to_application_error
from providers.adapters.deepgram import (
    ERRORS,
    UPLOAD_SHARE,
    DeepgramAdapter,
)
from providers.error_table import ErrorRow
from providers.errors import (
    InputTooLarge,
    ProviderError,
    ProviderFault,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    UnsupportedInput,
)
from providers.types import (
    Capability,
    Usage,
)
from tests.deepgram_answers import DURATION, one_channel
from tests.deepgram_calls import KEY, call_for, hang_up, recording, transcribe
from tests.fake_vendor import FakeVendor, serve_fake_vendor

DIARIZATION = Capability.TRANSCRIPTION_DIARIZATION
HELLO = (0.4, 3.51, 0, "Hello.")


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


def error_body(code: str | None = None, words: str = "No.") -> dict[str, Any]:
    return {"err_code": code, "err_msg": words, "request_id": "uuid"}


async def test_stalled_upload_yields_no_progress(tmp_path: Path) -> None:
    async def never_read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await stop.wait()
        await hang_up(writer, ended)

    path = tmp_path / "long"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    stop, ended = asyncio.Event(), asyncio.Event()
    server = await asyncio.start_server(never_read, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    adapter = DeepgramAdapter(SecretStr(KEY), url)
    progress: list[float] = []
    with pytest.raises(ProviderFault, match="in time") as caught:
        await adapter.call(call_for(path, timeout=0.3), progress.append)
    assert caught.value.usage == Usage()
    assert max(progress) < UPLOAD_SHARE / 2
    stop.set()
    await ended.wait()
    await adapter.close()
    server.close()


@pytest.mark.parametrize("row", ERRORS, ids=str)
async def test_every_row_of_the_error_table(
    vendor: FakeVendor, adapter: DeepgramAdapter, mono: Path, row: ErrorRow
) -> None:
    # A row that an earlier one hides would not be met.
    fits = next(one for one in ERRORS if (one.status, one.code) == (row.status, row.code))
    # A status that would be something else without the row.
    vendor.answer(row.status or (418 if row.error is ProviderFault else 599), error_body(row.code))
    with pytest.raises(ProviderError) as caught:
        await transcribe(adapter, mono)
    assert type(caught.value) is fits.error


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "Bad Request", UnsupportedInput),
        (400, "INVALID_QUERY_PARAMETER", UnsupportedInput),
        (401, "INVALID_AUTH", ProviderUnavailable),
        (401, "INSUFFICIENT_PERMISSIONS", ProviderUnavailable),
        (402, "ASR_PAYMENT_REQUIRED", QuotaExhausted),
        (403, "INSUFFICIENT_PERMISSIONS", ProviderUnavailable),
        (404, "PROJECT_NOT_FOUND", ProviderUnavailable),
        (408, "SLOW_UPLOAD", ProviderFault),
        (413, "PAYLOAD_TOO_LARGE", InputTooLarge),
        (415, "UNSUPPORTED_MEDIA_TYPE", UnsupportedInput),
        (422, "ASR_UNPROCESSABLE_ENTITY", ProviderFault),
        (429, "TOO_MANY_REQUESTS", RateLimited),
        (429, "Too Many Requests", RateLimited),
        (500, None, ProviderFault),
        (502, None, ProviderFault),
        (503, "Service Unavailable", ProviderFault),
        (504, None, ProviderFault),
    ],
)
async def test_documented_errors(
    vendor: FakeVendor,
    adapter: DeepgramAdapter,
    mono: Path,
    status: int,
    code: str | None,
    expected: type[ProviderError],
) -> None:
    vendor.answer(status, error_body(code))
    with pytest.raises(ProviderError) as caught:
        await transcribe(adapter, mono)
    assert type(caught.value) is expected
    assert len(vendor.asked) == 1, "retries belong to Temporal"
    maybe_billed = status in (502, 504)
    assert caught.value.usage == (Usage() if maybe_billed else None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (error_body("Bad Request", "corrupt or unsupported data"), "400 Bad Request: corrupt or"),
        ({"error_code": "Bad Request", "err_msg": "No."}, "400 Bad Request: No."),
        ({"category": "INVALID_JSON", "message": "Invalid."}, "400 INVALID_JSON: Invalid."),
        (b"<html>Bad</html>", r"400\.$"),
        (b"[]", r"400\.$"),
    ],
)
async def test_error_is_told_in_deepgrams_words(
    vendor: FakeVendor, adapter: DeepgramAdapter, mono: Path, body: Any, words: str
) -> None:
    vendor.answer(400, body)
    with pytest.raises(UnsupportedInput, match=f"^Deepgram answered {words}"):
        await transcribe(adapter, mono)


@pytest.mark.parametrize(
    ("status", "expected"), [(307, ProviderFault), (418, ProviderUnavailable), (520, ProviderFault)]
)
async def test_unknown_error_has_a_safe_default_and_a_log_line(
    vendor: FakeVendor,
    adapter: DeepgramAdapter,
    mono: Path,
    status: int,
    expected: type[ProviderError],
) -> None:
    vendor.answer(status, error_body("NEVER_SEEN", f"Your key {KEY}"))
    with capture_logs() as logs, pytest.raises(expected):
        await transcribe(adapter, mono)
    assert [(line["status"], line["error_code"]) for line in logs] == [(status, "NEVER_SEEN")]
    assert KEY not in str(logs)


async def test_retry_after_is_passed_on(
    vendor: FakeVendor, adapter: DeepgramAdapter, mono: Path
) -> None:
    vendor.answer(429, error_body("TOO_MANY_REQUESTS"), {"Retry-After": "7"})
    with pytest.raises(RateLimited) as caught:
        await transcribe(adapter, mono)
    assert caught.value.retry_after == timedelta(seconds=7)


async def test_key_is_masked_wherever_it_could_be_kept(
    vendor: FakeVendor, adapter: DeepgramAdapter, mono: Path
) -> None:
    vendor.answer(401, error_body("INVALID_AUTH", f"Invalid credentials: Token {KEY}."))
    with pytest.raises(ProviderUnavailable) as caught:
        await transcribe(adapter, mono)
    assert str(caught.value).endswith("Invalid credentials: Token [key].")
    history = Failure()
    converter = pydantic_data_converter
    converter.failure_converter.to_failure(
        to_application_error(caught.value, 1), converter.payload_converter, history
    )
    assert KEY not in str(history)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    assert KEY not in repr(vars(adapter))


def broken(**changes: Any) -> dict[str, Any]:
    """Write an answer whose first utterance is another."""
    answer = one_channel(HELLO)
    answer["results"]["utterances"][0] |= changes
    return answer


def without(*path: str) -> dict[str, Any]:
    """Write an answer that lacks something."""
    answer = one_channel(HELLO)
    place: Any = answer
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    return answer


@pytest.mark.parametrize(
    "body",
    [
        b'{"metadata": {',
        b"[1]",
        b"\xff",
        {"request_id": "5c2b1d0e-7d2b-4d58-9b8e-6f1f7f0a8c11"},
        without("metadata", "duration"),
        without("results", "channels"),
        without("results", "utterances"),
        broken(start="0.4"),
        broken(start=-1),
        broken(end=None),
        broken(transcript=None),
        b'{"metadata": {"duration": NaN}, "results": {"channels": [{"alternatives": []}]}}',
    ],
)
async def test_answer_that_can_not_be_read_is_a_fault_that_may_be_billed(
    vendor: FakeVendor, adapter: DeepgramAdapter, mono: Path, body: Any
) -> None:
    vendor.answer(200, body)
    with pytest.raises(ProviderFault, match="can't be read") as caught:
        await transcribe(adapter, mono)
    assert caught.value.usage == Usage()


async def test_speakers_that_are_missing_are_a_fault_that_was_billed(
    vendor: FakeVendor, adapter: DeepgramAdapter, mono: Path
) -> None:
    vendor.answer(200, one_channel(HELLO))
    with pytest.raises(ProviderFault, match="speakers") as caught:
        await transcribe(adapter, mono, DIARIZATION)
    assert caught.value.usage == Usage(audio_seconds=DURATION, diarized_seconds=DURATION)


async def test_truncated_answer_is_a_fault(
    vendor: FakeVendor, adapter: DeepgramAdapter, mono: Path
) -> None:
    vendor.stream(b'{"metadata": {"duration"', ending="cut")
    with pytest.raises(ProviderFault) as caught:
        await transcribe(adapter, mono)
    assert caught.value.usage == Usage()


async def test_nobody_there_is_a_fault_that_cost_nothing(mono: Path) -> None:
    adapter = DeepgramAdapter(SecretStr(KEY), "http://127.0.0.1:9")
    with pytest.raises(ProviderFault, match="connection") as caught:
        await transcribe(adapter, mono)
    assert caught.value.usage is None
    await adapter.close()


async def test_cancellation_hangs_up_within_a_second(
    vendor: FakeVendor, adapter: DeepgramAdapter, mono: Path
) -> None:
    vendor.stream(b" ", ending="silent")
    uploaded = asyncio.Event()
    told: list[Usage | None] = []
    call = call_for(mono, report_usage=told.append)
    task = asyncio.create_task(adapter.call(call, lambda _: uploaded.set()))
    async with asyncio.timeout(20):
        await uploaded.wait()
    begin = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == [Usage()]
    async with asyncio.timeout(5):
        await vendor.hung_up.wait()
    assert time.monotonic() - begin < 1


async def test_connection_is_used_again(
    vendor: FakeVendor, adapter: DeepgramAdapter, mono: Path
) -> None:
    vendor.keeps_open = True
    for _ in range(3):
        await transcribe(adapter, mono)
    assert (vendor.connections, len(vendor.asked)) == (1, 3)
