"""Scripts for the fake API: events, snapshot and result of runs that tell a story."""

import copy
import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

ID = "exec-01k9zq3v5x8m2c7r4t6w0y1a3b"
START = datetime(2026, 11, 24, 1, 29, 3, tzinfo=UTC)

SEGMENTS = [
    {
        "start": 0.4,
        "end": 3.5,
        "text": "thank you for calling how can i help you today",
        "speaker": "agent",
    },
    {
        "start": 3.9,
        "end": 8.5,
        "text": "hello i am very angry my order is late and nobody will answer my calls",
        "speaker": "customer",
    },
    {
        "start": 8.8,
        "end": 13.2,
        "text": "i am very sorry about that could you please tell me your phone number",
        "speaker": "agent",
    },
    {
        "start": 13.6,
        "end": 17.9,
        "text": "yes my phone number is [PHONE_NUMBER]",
        "speaker": "customer",
    },
    {
        "start": 63.1,
        "end": 66.0,
        "text": "thank you and the last four digits of your card",
        "speaker": "agent",
    },
    {"start": 66.4, "end": 68.0, "text": "[CREDIT_CARD_DIGITS]", "speaker": "customer"},
]
TEXT = " ".join(str(segment["text"]) for segment in SEGMENTS)


@dataclasses.dataclass(frozen=True)
class Script:
    """What one run shows to its watchers."""

    snapshot: dict[str, Any]
    events: list[dict[str, Any]]
    result: dict[str, Any]

    @property
    def accepted(self) -> dict[str, Any]:
        keys = ("execution_id", "pipeline_name", "pipeline_version", "created_at")
        return {key: self.snapshot[key] for key in keys} | {
            "status": "pending",
            "estimated_cost_usd": "0",
            "links": {"self": f"/api/v1/ai/pipelines/{ID}"},
        }


class Recorder:
    """Writes events in order, with ids, times and progress."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.now = START  # read when a script is made

    def write(self, kind: str, step: str | None = None, **values: Any) -> None:
        durable = values.pop("durable", True)
        self.now += timedelta(seconds=values.pop("after", 0.4))
        base = dict.fromkeys(
            (
                "provider",
                "model",
                "attempt",
                "progress_percent",
                "cost_usd",
                "message",
                "error",
                "data",
            )
        )
        self.events.append(
            base
            | {
                "event_id": f"0.{len(self.events) + 1}.0" if durable else None,
                "event_type": kind,
                "execution_id": ID,
                "timestamp": self.now.isoformat().replace("+00:00", "Z"),
                "pipeline_name": "call_analysis",
                "step_name": step,
            }
            | values
        )


def step(name: str, status: str, who: str = "", **values: Any) -> dict[str, Any]:
    provider, _, model = who.partition("/")
    return {
        "name": name,
        "capability": None,
        "status": status,
        "provider": provider or None,
        "model": model or None,
        "attempts": 1,
        "started_at": None,
        "completed_at": None,
        "duration_ms": 400,
        "cost_usd": "0",
        "error": None,
    } | values


def snapshot(steps: list[dict[str, Any]], **values: Any) -> dict[str, Any]:
    return {
        "execution_id": ID,
        "status": "running",
        "pipeline_name": "call_analysis",
        "pipeline_version": "1.0.0",
        "progress_percent": 42,
        "current_steps": ["redact"],
        "steps": steps,
        "total_cost_usd": None,
        "known_cost_usd": "0",
        "created_at": START.isoformat(),
        "started_at": START.isoformat(),
        "completed_at": None,
        "tags": {},
        "error": None,
        "links": {},
    } | values


def result(output: Any, steps: list[dict[str, Any]], **values: Any) -> dict[str, Any]:
    return {
        "execution_id": ID,
        "success": True,
        "status": "completed",
        "output": output,
        "total_cost_usd": "0",
        "known_cost_usd": "0",
        "total_duration_ms": 4210,
        "steps": steps,
        "compensations": [],
        "error": None,
    } | values


NO_KEY = {
    "code": "no_provider_available",
    "message": "no provider of llm_generation is available: openai: OPENAI_API_KEY is not set; "
    "anthropic: ANTHROPIC_API_KEY is not set",
    "retryable": False,
    "step": "coach",
}
CALL_STEPS = [
    step("transcribe", "completed", "embedded/pocketsphinx", duration_ms=2400),
    step("redact", "completed", "embedded/presidio"),
    step("sentiment", "completed", "embedded/vader"),
    step("summarize", "completed", "embedded/sumy"),
    step("coach", "skipped", error=NO_KEY, duration_ms=None, cost_usd=None),
]
CALL_OUTPUT = {
    "transcript": SEGMENTS,
    "redacted": {
        "text": TEXT,
        "segments": SEGMENTS,
        "entities": [
            {"type": "PHONE_NUMBER", "start": 23, "end": 60, "score": 0.9, "segment": 3},
            {"type": "CREDIT_CARD_DIGITS", "start": 0, "end": 20, "score": 0.8, "segment": 5},
        ],
    },
    "sentiment": {
        "label": "negative",
        "score": -0.31,
        "segments": [
            {"label": "positive", "score": score, "speaker": segment["speaker"]}
            for score, segment in zip((0.6, -0.7, 0.2, -0.2, 0.36, 0.0), SEGMENTS, strict=True)
        ],
    },
    "summary": {"text": "Hello i am very angry my order is late. Could Dr. Smith call me?"},
    "coaching": None,
}


def call_analysis() -> Script:
    """A good run with a fallback, hints, and a step that is skipped."""
    to = Recorder()
    to.write("workflow_started", progress_percent=0)
    speech = {"provider": "embedded", "model": "pocketsphinx"}
    to.write("step_started", "transcribe", provider="deepgram", model="nova-3", progress_percent=1)
    unavailable = {"code": "rate_limited", "message": "429 too many requests", "retryable": True}
    to.write(
        "step_retrying",
        "transcribe",
        data={"fallback_from": "deepgram/nova-3"},
        error=unavailable,
        progress_percent=2,
        **speech,
    )
    for done in range(6, 57, 5):
        message = f"{done} of 57 s"
        to.write(
            "progress_update",
            "transcribe",
            durable=False,
            message=message,
            progress_percent=done,
            after=0.2,
            **speech,
        )
    to.write("step_completed", "transcribe", cost_usd="0", progress_percent=58, **speech)
    others = {"redact": "presidio", "sentiment": "vader", "summarize": "sumy"}
    for percent, (name, model) in zip((70, 82, 95), others.items(), strict=True):
        who = {"provider": "embedded", "model": model}
        to.write("step_started", name, progress_percent=percent - 10, **who)
        to.write("cost_incurred", name, cost_usd="0", progress_percent=percent - 1, **who)
        to.write("step_completed", name, cost_usd="0", progress_percent=percent, **who)
    to.write("step_skipped", "coach", error=NO_KEY, progress_percent=99)
    to.write("workflow_completed", cost_usd="0", progress_percent=100)
    pending = [
        step(done["name"], "pending", duration_ms=None, cost_usd=None) for done in CALL_STEPS
    ]
    return Script(snapshot(pending), to.events, result(CALL_OUTPUT, CALL_STEPS))


FAILURE: dict[str, Any] = {
    "code": "all_providers_failed",
    "message": "every provider of transcription_diarization failed",
    "retryable": False,
    "step": "transcribe",
    "candidates": [
        {
            "provider": "deepgram",
            "model": "nova-3",
            "code": "unauthorized",
            "message": "401 bad key",
        },
        {"provider": "openai", "model": "whisper-1", "code": "rate_limited", "message": "429"},
    ],
}


def failing() -> Script:
    """A run whose first step fails with every provider."""
    to = Recorder()
    to.write("workflow_started", progress_percent=0)
    to.write("step_started", "transcribe", provider="deepgram", model="nova-3", progress_percent=1)
    to.write(
        "step_retrying",
        "transcribe",
        provider="openai",
        model="whisper-1",
        data={"fallback_from": "deepgram/nova-3"},
        error=FAILURE["candidates"][0],
        progress_percent=2,
    )
    to.write("step_failed", "transcribe", error=FAILURE, cost_usd="0.0021", progress_percent=3)
    to.write("workflow_failed", error=FAILURE, cost_usd=None, progress_percent=3)
    failed = step("transcribe", "failed", "openai/whisper-1", error=FAILURE, cost_usd="0.0021")
    others = [step(s["name"], "pending", duration_ms=None, cost_usd=None) for s in CALL_STEPS[1:]]
    ended = result(
        None,
        [failed, *others],
        success=False,
        status="failed",
        error=FAILURE,
        total_cost_usd=None,
        known_cost_usd="0.0021",
    )
    return Script(snapshot([step("transcribe", "pending"), *others]), to.events, ended)


def long() -> Script:
    """A run of more steps than a terminal has lines."""
    to = Recorder()
    to.write("workflow_started", progress_percent=0)
    names = [f"step_number_{number:02}" for number in range(60)]
    for number, name in enumerate(names):
        who = {"provider": "a_provider_of_some_length", "model": "and-a-model-of-some-length-2026"}
        to.write("step_started", name, progress_percent=number, **who)
        to.write("step_retrying", name, data={"attempts": 3}, message="503 overloaded " * 12, **who)
        to.write("step_completed", name, cost_usd="0.001234", progress_percent=number + 1, **who)
    to.write("workflow_completed", cost_usd="0.07404", progress_percent=100)
    steps = [step(name, "completed", cost_usd="0.001234") for name in names]
    return Script(snapshot(steps), to.events, result({"answer": {"n": 1}}, steps))


def cancelled(script: Script) -> Script:
    """The same run, cancelled where it is held."""
    script = copy.deepcopy(script)
    to = Recorder()
    to.events = script.events[:6]
    to.write("workflow_cancelled", cost_usd="0", progress_percent=6, message="cancelled by request")
    steps = [step("transcribe", "cancelled", "embedded/pocketsphinx")]
    ended = result(None, steps, success=False, status="cancelled")
    return Script(script.snapshot, to.events, ended)


ARTIFACT = {
    "artifact_url": "artifact://art-1",
    "id": "art-1",
    "size": 1,
    "sha256": "0" * 64,
    "media_type": "audio/wav",
}


def execution_list(query: Mapping[str, str]) -> dict[str, Any]:
    """Five runs, in pages of as many as asked for."""
    all_runs = [
        snapshot([], execution_id=f"{ID[:-1]}{number}", status=status, total_cost_usd=cost)
        for number, (status, cost) in enumerate(
            [
                ("running", None),
                ("completed", "0"),
                ("failed", "0.0021"),
                ("cancelled", "0.5"),
                ("paused", None),
            ]
        )
    ]
    wanted = [run for run in all_runs if query.get("status") in {None, run["status"]}]
    first = int(query.get("cursor", 0))
    last = first + min(2, int(query.get("limit", 20)))
    return {
        "executions": wanted[first:last],
        "next_cursor": str(last) if last < len(wanted) else None,
    }


PIPELINE_LIST = {
    "pipelines": [
        {
            "name": "call_analysis",
            "version": "1.0.0",
            "description": "Transcript with speakers, personal data redacted, sentiment, summary "
            "and coaching for a recorded call",
            "capabilities": ["transcription_diarization", "pii_redaction"],
            "steps": ["transcribe", "redact"],
            "input_schema": {
                "type": "object",
                "required": ["audio_url"],
                "properties": {"audio_url": {"type": "string"}, "language": {"type": "string"}},
            },
            "estimated_cost_usd": "0",
        },
        {
            "name": "pii_detection",
            "version": "1.0.0",
            "description": "Personal data in a text",
            "capabilities": ["pii_redaction"],
            "steps": ["redact"],
            "input_schema": {"required": ["text"], "properties": {"text": {"type": "string"}}},
            "estimated_cost_usd": None,
        },
    ]
}


def offer(name: str, model: str, capability: str, **values: Any) -> dict[str, Any]:
    return {
        "name": name,
        "capability": capability,
        "model": model,
        "quality_tier": "standard",
        "cost_unit": "minute",
        "price": "0.0043",
        "available": True,
        "reason": None,
        "cooldown_until": None,
    } | values


PROVIDER_LIST = {
    "providers": [
        offer(
            "deepgram",
            "nova-3",
            "transcription_diarization",
            available=False,
            reason="DEEPGRAM_API_KEY is not set",
        ),
        offer(
            "embedded",
            "pocketsphinx",
            "transcription_diarization",
            cost_unit="free",
            price="0",
            quality_tier="basic",
            limits={
                "max_file_bytes": 1 << 30,
                "max_duration_seconds": 14400.0,
                "max_input_tokens": None,
                "languages": ["en"],
            },
            caveat="Needs clean, slow English speech.",
        ),
        offer("openai", "gpt-x", "llm_generation", price=None, cost_unit="token"),
        offer("embedded", "presidio", "pii_redaction", cooldown_until="2026-11-24T02:00:00Z"),
    ]
}
