"""Our own adapters pass the contract test that others have to pass."""

import json
import random
import wave
from pathlib import Path
from typing import Any

import pytest

from providers.adapters.local import LocalAdapter
from providers.contract import Example, check_contract
from providers.types import (
    REQUESTS,
    AudioFile,
    Capability,
    GenerationRequest,
    RedactionRequest,
    Segment,
    SentimentRequest,
    SummarizationRequest,
    TranscriptionRequest,
    Value,
)
from tests.dialects import DIALECTS, Dialect
from tests.fake_vendor import serve_fake_vendor

RECORDING = TranscriptionRequest(audio_url="artifact://1")
SCHEMA = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}
NO_OBJECT = GenerationRequest(prompt="a", response_schema={"type": "string"})
CALL = (
    Segment(start=0, end=1, speaker="a", text="your phone number?"),
    Segment(start=1, end=2, speaker="b", text="four one five five five five two"),
)


def recording(folder: Path) -> AudioFile:
    """One second of noise, other noise on each of two channels."""
    path = folder / "noise.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 16000, 0, "NONE", ""))
        file.writeframes(random.Random(1).randbytes(2 * 2 * 16000))  # noqa: S311 - no secret
    return AudioFile(path=path, media_type="audio/wav", size=path.stat().st_size)


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        (RECORDING, TranscriptionRequest(audio_url="artifact://1", language="de")),
        (RedactionRequest(segments=CALL), RedactionRequest(text="x", entities=("SHOE_SIZE",))),
        (SentimentRequest(segments=CALL), None),
        (SummarizationRequest(text="One. Two. Three."), None),
    ],
    ids=lambda request: type(request).__name__,
)
async def test_the_embedded_provider_passes(tmp_path: Path, good: Value, bad: Value | None) -> None:
    capabilities = [one for one in Capability if REQUESTS[one] is type(good)]
    audio = recording(tmp_path) if good is RECORDING else None
    adapter = LocalAdapter()
    try:
        await check_contract(
            adapter,
            [Example(capability, good, audio) for capability in capabilities],
            [Example(capabilities[0], bad, audio)] if bad else [],
            capabilities=capabilities,
        )
    finally:
        await adapter.close()


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("good", "bad", "written"),
    [
        (GenerationRequest(prompt="How are you?"), NO_OBJECT, "Fine."),
        (GenerationRequest(prompt="a", response_schema=SCHEMA), None, {"mood": "good"}),
        (
            RedactionRequest(text="I'm Jane."),
            None,
            {"found": [{"type": "PERSON", "quote": "Jane"}]},
        ),
        (SentimentRequest(text="Well."), None, {"label": "mixed", "score": 0}),
        (SummarizationRequest(text="Long."), None, {"sentences": ["Short."]}),
    ],
    ids=lambda request: type(request).__name__,
)
async def test_language_models_pass(
    dialect: Dialect[Any], good: Value, bad: Value | None, written: object
) -> None:
    (capability,) = [one for one in Capability if REQUESTS[one] is type(good)]
    async with serve_fake_vendor() as vendor:
        vendor.stream(*dialect.told(written if isinstance(written, str) else json.dumps(written)))
        adapter = dialect.adapter(vendor.url)
        try:
            await check_contract(
                adapter,
                [Example(capability, good)],
                [Example(capability, bad)] if bad else [],
                capabilities=[capability],
            )
        finally:
            await adapter.close()
