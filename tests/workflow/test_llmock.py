"""Pipelines against servers that are not ours, which judge how we retry."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from orchestrator import ExecutionResult, InstrumentedOrchestrator
from pipelines.builder import Pipeline
from pipelines.model import PipelineDefinition, RetryPolicy
from pipelines.predefined import CALL_ANALYSIS
from providers.types import Capability
from settings import Settings
from tests.calls import Call, synthesise_call
from tests.llmock import Llmock, serve_llmock

QUICKLY = {"max_attempts": 3, "initial_interval": 0.05}
MOOD = {
    "type": "object",
    "properties": {"mood": {"type": "string"}},
    "required": ["mood"],
    "additionalProperties": False,
}
# So long that a client that does not hang up at a fault would read on for 0.4 s.
LONG = {"type": "reply", "text": json.dumps({"mood": "good " * 40})}
# The vendors by the names that llmock has for them, and by ours.
VENDORS = {"openai": "openai", "anthropic": "anthropic", "together": "gateway"}


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Llmock]:
    with serve_llmock(tmp_path_factory.mktemp("llmock")) as running:
        yield running


@pytest.fixture
def settings(settings: Settings, vendors: Llmock, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in vendors.environment.items():
        monkeypatch.setenv(name, value)
    return Settings(ai_data_dir=settings.ai_data_dir, ai_task_queue=settings.ai_task_queue)


@pytest.fixture
async def orchestrator(settings: Settings) -> AsyncIterator[InstrumentedOrchestrator]:
    async with InstrumentedOrchestrator(settings=settings, own_worker=True) as running:
        yield running


def generation_by(name: str, *, max_fallbacks: int, seconds: float) -> PipelineDefinition:
    # llmock does not know where Anthropic's requests have a schema today.
    schema = {} if name == "anthropic" else {"response_schema": MOOD}
    return (
        Pipeline("generation")
        .step("ask")
        .capability(Capability.LLM_GENERATION)
        .params(prompt="How are you?", max_output_tokens=64, **schema)
        .prefer_providers(name, "gateway")
        .with_fallback(max_fallbacks=max_fallbacks)
        .with_retry(**QUICKLY)
        .timeout(seconds)
        .output_as("answer")
        .done()
        .build()
    )


async def generate(
    orchestrator: InstrumentedOrchestrator, *, max_fallbacks: int = 0, seconds: float = 20
) -> dict[str, ExecutionResult]:
    """Generate by each vendor, side by side."""
    runs = [
        orchestrator.execute(generation_by(name, max_fallbacks=max_fallbacks, seconds=seconds), {})
        for name in VENDORS.values()
    ]
    return dict(zip(VENDORS.values(), await asyncio.gather(*runs), strict=True))


def of_each(behaviour: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**behaviour, "match": {"provider": vendor}} for vendor in VENDORS]


def who_did(result: ExecutionResult) -> list[tuple[str | None, int]]:
    """Return who answered each step, with the attempts that it took."""
    assert result.success, result.error
    return [(step.provider, step.attempts) for step in result.steps]


async def test_a_generation_by_each_vendor_completes_and_has_its_cost(
    orchestrator: InstrumentedOrchestrator, vendors: Llmock
) -> None:
    vendors.behave()
    results = await generate(orchestrator)
    assert {name: who_did(result) for name, result in results.items()} == {
        name: [(name, 1)] for name in VENDORS.values()
    }
    answers = {name: (result.output or {})["answer"] for name, result in results.items()}
    assert answers["openai"]["data"] == answers["gateway"]["data"] == {"mood": "mock-mood"}
    assert answers["anthropic"]["text"]
    priced = {name for name, result in results.items() if result.total_cost_usd is not None}
    assert priced == {"openai", "anthropic"}
    assert vendors.verdict()["findings"] == []


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"type": "fail", "status": 429, "retry_after": 0.3}, id="rate limit"),
        pytest.param({"type": "fail", "status": 500}, id="server error"),
        pytest.param({"type": "fail", "status": 503, "retry_after": 0.1}, id="unavailable"),
        pytest.param({"type": "fail", "status": 529, "retry_after": 0.1}, id="overloaded"),
        pytest.param({"type": "stream_fault", "kind": "disconnect"}, id="disconnect"),
        pytest.param({"type": "stream_fault", "kind": "truncate", "after_chunks": 2}, id="cut"),
        pytest.param({"type": "stream_fault", "kind": "malformed"}, id="malformed"),
    ],
)
async def test_a_fault_of_each_vendor_is_retried_well(
    orchestrator: InstrumentedOrchestrator, vendors: Llmock, fault: dict[str, Any]
) -> None:
    broken_stream = fault["type"] == "stream_fault"
    vendors.behave(*of_each(fault), *(of_each(LONG) if broken_stream else ()))
    for name, result in (await generate(orchestrator)).items():
        assert who_did(result) == [(name, 2)]
    verdict = vendors.verdict()
    assert (verdict["findings"], verdict["faults_injected"]) == ([], len(VENDORS))


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"type": "stream_fault", "kind": "stall", "stall_seconds": 60}, id="stall"),
        pytest.param({"type": "slow_first_token", "seconds": 60}, id="no first word"),
        pytest.param({"type": "delay", "seconds": 60}, id="no answer"),
    ],
)
async def test_a_vendor_that_stalls_is_left_in_time_and_retried(
    orchestrator: InstrumentedOrchestrator, vendors: Llmock, fault: dict[str, Any]
) -> None:
    # The first calls load the SDKs, which takes longer than this step's time.
    vendors.behave()
    await generate(orchestrator)
    vendors.behave(*of_each(fault))
    for name, result in (await generate(orchestrator, seconds=2)).items():
        assert who_did(result) == [(name, 2)]
    assert vendors.verdict()["findings"] == []


@pytest.mark.parametrize(("status", "attempts"), [(401, 1), (404, 1), (503, 3)])
async def test_a_vendor_that_is_gone_is_left_for_the_next(
    orchestrator: InstrumentedOrchestrator, vendors: Llmock, status: int, attempts: int
) -> None:
    fault = {"type": "fail", "status": status, "retry_after": 0.01, "times": None}
    vendors.behave({**fault, "match": {"provider": "openai"}})
    results = await generate(orchestrator, max_fallbacks=1)
    assert who_did(results["openai"]) == [("gateway", attempts + 1)]
    assert vendors.verdict()["findings"] == []


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Call:
    return synthesise_call(
        tmp_path_factory.mktemp("call") / "call.wav",
        [
            ("agent", "good morning what is the problem"),
            ("customer", "the new machine does not work"),
        ],
    )


def analysis_by(name: str) -> PipelineDefinition:
    """Change `call_analysis` so that a vendor does what it can, also for a short call, and quickly.

    The mood is that of the text: how many segments the call has is not known beforehand.
    """
    changes: dict[str, Any] = {"providers": (name,), "retry": RetryPolicy(**QUICKLY)}
    transcribe, redact, judge, summarize, coach = (
        step.model_copy(update=changes) for step in CALL_ANALYSIS.steps
    )
    judge = judge.model_copy(update={"input": {"text": "redacted.text"}})
    summarize = summarize.model_copy(update={"when": None})
    steps = (transcribe, redact, judge, summarize, coach)
    return CALL_ANALYSIS.model_copy(update={"steps": steps})


@pytest.mark.parametrize(
    ("name", "match"),
    [("openai", {"path": "/v1/responses"}), ("anthropic", {"provider": "anthropic"})],
)
async def test_a_call_is_analysed_with_embedded_transcription_in_spite_of_faults(
    orchestrator: InstrumentedOrchestrator,
    api: httpx2.AsyncClient,
    vendors: Llmock,
    call: Call,
    name: str,
    match: dict[str, str],
) -> None:
    texts = {"match": match}
    vendors.behave(
        {"type": "fail", "status": 429, "retry_after": 0.2, **texts},
        {"type": "stream_fault", "kind": "truncate", "after_chunks": 4, **texts},
        {"type": "reply", "text": '{"found": []}', "times": 2, **texts},  # the first is cut
        {"type": "reply", "text": '{"label": "negative", "score": -0.4}', **texts},
        {"type": "reply", "text": '{"sentences": ["A machine is broken."]}', **texts},
        {"type": "reply", "text": "Well done.", **texts},
    )
    upload = await api.post("/artifacts", content=call.path.read_bytes())
    result = await orchestrator.execute(
        analysis_by(name), {"audio_url": upload.json()["artifact_url"]}
    )
    # llmock hears nothing: its 404 is the end of OpenAI for that step, and not asked for again.
    assert who_did(result) == [("local", 2), (name, 3), *[(name, 1)] * 3]
    output = result.output or {}
    assert {segment["speaker"] for segment in output["transcript"]} == {"speaker_0", "speaker_1"}
    assert output["redacted"]["entities"] == []
    assert (output["sentiment"]["label"], output["sentiment"]["score"]) == ("negative", -0.4)
    assert output["summary"]["text"] == "A machine is broken."
    assert output["coaching"]["text"] == "Well done."
    verdict = vendors.verdict()
    assert (verdict["findings"], verdict["faults_injected"]) == ([], 2)


async def test_a_call_is_analysed_although_no_vendor_says_anything_of_use(
    settings: Settings, api: httpx2.AsyncClient, vendors: Llmock, call: Call
) -> None:
    """llmock makes up what it is asked for: quotes that nobody said, one verdict for the call."""
    vendors.behave()
    two = settings.model_copy(update={"ai_compatible_providers": ()})
    quick = {"retry": RetryPolicy(**QUICKLY)}
    steps = tuple(step.model_copy(update=quick) for step in CALL_ANALYSIS.steps)
    upload = await api.post("/artifacts", content=call.path.read_bytes())
    async with InstrumentedOrchestrator(settings=two, own_worker=True) as orchestrator:
        result = await orchestrator.execute(
            CALL_ANALYSIS.model_copy(update={"steps": steps}),
            {"audio_url": upload.json()["artifact_url"]},
        )
    done = {step.name: step.provider for step in result.steps if step.status == "completed"}
    assert result.success, result.error
    assert done == {
        "transcribe": "local",
        "redact": "local",
        "analyze_sentiment": "local",
        "coach": "anthropic",
    }
    assert vendors.verdict()["findings"] == []
