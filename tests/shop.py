"""A provider that charges, pipelines that ask it, and what the API is asked about money."""

from collections.abc import Mapping
from typing import Any

import httpx2

from providers.simulated_script import SimulatedProvider

# 0.001 USD a character: "Jane called" costs 0.011 to redact.
SIM = SimulatedProvider.model_validate(
    {
        "name": "sim",
        "model": "model-1",
        "cost_unit": "character",
        "price": "0.001",
        "script": [
            {"text": "flaky", "attempts": [1], "do": "bad_json"},
            {"text": "busy", "attempts": [1], "do": "rate_limited"},
            {"text": "rude", "do": "refused"},
            {"text": "mute", "do": "answer", "tells_usage": False},
        ],
    }
)
STEP = {
    "providers": ["sim"],
    "fallback": {"max_fallbacks": 0},
    "retry": {"max_attempts": 2, "initial_interval": 0.01},
}
REDACT = {"name": "redact", "capability": "pii_redaction", **STEP}
SUMMARIZE = {"name": "summarize", "capability": "summarization", "input": "redact", **STEP}
ONE_STEP = {"name": "one_step", "version": "1.0.0", "steps": [REDACT]}
TWO_STEPS = {"name": "two_steps", "version": "1.0.0", "steps": [REDACT, SUMMARIZE]}
TEXT = {"pipeline_name": "one_step", "input_data": {"text": "Jane called"}}
OTHER = {"X-Tenant-ID": "other"}


async def register(
    api: httpx2.AsyncClient, pipeline: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> None:
    path = f"/definitions/{pipeline['name']}/{pipeline['version']}"
    answer = await api.put(path, json=pipeline, headers=headers)
    assert answer.is_success, answer.text


async def run(
    api: httpx2.AsyncClient,
    text: str = "Jane called",
    *,
    pipeline: Mapping[str, Any] = ONE_STEP,
    headers: Mapping[str, str] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """Run a pipeline to its end and return the result."""
    await register(api, pipeline, headers)
    body = {"pipeline_name": pipeline["name"], "input_data": {"text": text}, **fields}
    answer = await api.post("/execute", json=body, headers={"Prefer": "wait=30", **(headers or {})})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def get(api: httpx2.AsyncClient, path: str, **options: Any) -> dict[str, Any]:
    answer = await api.get(path, **options)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def status(api: httpx2.AsyncClient, **options: Any) -> dict[str, Any]:
    return await get(api, "/budget/status", **options)


async def spend(api: httpx2.AsyncClient, **query: str) -> dict[str, Any]:
    return await get(api, "/budget/spend", params=query)


async def costs(api: httpx2.AsyncClient, execution_id: str, **options: Any) -> dict[str, Any]:
    return await get(api, f"/{execution_id}/costs", **options)


def lines_of(invoice: Mapping[str, Any]) -> list[tuple[int, str, str | None, str | None]]:
    return [
        (line["attempt"], line["state"], line["outcome"], line["cost_usd"])
        for line in invoice["lines"]
    ]
