"""Accent itself; none runs without a key and an address."""

import os
import uuid
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from providers.adapters.accent import MODEL, AccentAdapter
from providers.adapters.base import ProviderCall
from providers.types import Capability, RedactionRequest, RedactionResponse, Segment

KEY, URL = os.environ.get("ACCENT_API_KEY"), os.environ.get("ACCENT_BASE_URL")
PHONE = "415-555-2671"

pytestmark = [
    pytest.mark.live,
    pytest.mark.enable_socket,
    pytest.mark.skipif(
        not (KEY and URL), reason="no key: ACCENT_API_KEY or ACCENT_BASE_URL is not set"
    ),
]


@pytest.fixture
async def adapter() -> AsyncIterator[AccentAdapter]:
    adapter = AccentAdapter(SecretStr(KEY or ""), URL)
    yield adapter
    await adapter.close()


async def test_phone_number_is_hidden(adapter: AccentAdapter) -> None:
    texts = ["What is your phone number?", f"It is {PHONE}.", "Thank you."]
    segments = [
        Segment(start=number, end=number + 1, text=text) for number, text in enumerate(texts)
    ]
    call = ProviderCall(
        call_id=f"live-{uuid.uuid4()}",  # the service would answer the same one as before
        capability=Capability.PII_REDACTION,
        model=MODEL,
        request=RedactionRequest(segments=tuple(segments)),
        audio=None,
        timeout=60,
    )
    answer = await adapter.call(call, lambda _: None)
    assert isinstance(answer.response, RedactionResponse)
    assert PHONE not in answer.response.text
    assert [segment.text for segment in answer.response.segments or ()][::2] == texts[::2]
    assert answer.usage.characters
