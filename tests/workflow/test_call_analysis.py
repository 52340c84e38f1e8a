"""A recorded call through Deepgram and Accent, both played, on a real server."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from artifacts.store import ArtifactStore
from pipelines.predefined import CALL_ANALYSIS
from providers.adapters.accent import AccentAdapter
from providers.adapters.deepgram import DeepgramAdapter
from providers.adapters.local import LocalAdapter
from settings import ROOT, Settings
from tests.accent_answers import answer_to
from tests.deepgram_answers import two_channels
from tests.fake_vendor import FakeVendor, serve_fake_vendor
from tests.runs import StartWorker, progress, start

SAMPLE = ROOT / "examples" / "support_call.flac"
SCRIPT = json.loads(SAMPLE.with_suffix(".json").read_text())
SAID = [(turn["start"], turn["end"], turn["channel"], turn["text"]) for turn in SCRIPT["turns"]]
PHONE = "four one five five five five two six seven one"
# 57.235 s on each of two channels at 0.0043 USD a minute.
DEEPGRAM_COST = Decimal("0.008203683333")


@pytest.fixture
async def deepgram() -> AsyncIterator[FakeVendor]:
    async with serve_fake_vendor() as vendor:
        vendor.answer(200, two_channels(*SAID, duration=57.235, languages=("en", "en")))
        yield vendor


@pytest.fixture
async def accent() -> AsyncIterator[FakeVendor]:
    text = "\n".join(words for *_, words in SAID)
    async with serve_fake_vendor() as vendor:
        vendor.answer(200, answer_to(text, ("PHONE_NUMBER", PHONE, "[PHONE_NUMBER]")))
        yield vendor


@pytest.fixture
async def recording(settings: Settings, engine: AsyncEngine) -> str:
    async def content() -> AsyncIterator[bytes]:
        yield SAMPLE.read_bytes()

    store = ArtifactStore(engine, settings.ai_data_dir / "artifacts", max_bytes=1 << 30)
    return (await store.put("tenant-1", content())).url


@pytest.mark.parametrize(
    ("accent_key", "total"),
    [
        pytest.param(SecretStr("accent-1"), None, id="an unknown price makes the total unknown"),
        pytest.param(None, DEEPGRAM_COST, id="what is embedded is free"),
    ],
)
async def test_two_channel_call_keeps_who_is_who_and_its_cost_is_exact(
    start_worker: StartWorker,
    deepgram: FakeVendor,
    accent: FakeVendor,
    recording: str,
    accent_key: SecretStr | None,
    total: Decimal | None,
) -> None:
    worker = await start_worker(
        DeepgramAdapter(SecretStr("0123"), deepgram.url),
        AccentAdapter(accent_key, accent.url),
        LocalAdapter(),
    )
    handle = await start(worker, CALL_ANALYSIS, input_data={"audio_url": recording})
    output = (await handle.result())["output"]
    status = await progress(handle)
    await worker.registry.close()

    assert "multichannel=true" in deepgram.asked[0].path
    assert deepgram.asked[0].body == SAMPLE.read_bytes()
    assert [(one["speaker"], one["start"]) for one in output["transcript"]] == [
        (f"speaker_{turn['channel']}", turn["start"]) for turn in SCRIPT["turns"]
    ]
    assert PHONE not in json.dumps(output)
    assert "PHONE_NUMBER" in {entity["type"] for entity in output["redacted"]["entities"]}
    providers = {step.name: step.provider for step in status.steps}
    assert providers["transcribe"] == "deepgram"
    assert providers["redact"] == ("accent" if accent_key else "local")
    assert (status.total_cost_usd, status.known_cost_usd) == (total, DEEPGRAM_COST)
