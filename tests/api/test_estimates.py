"""`/estimate`, and the expected cost that a start and the list of pipelines tell."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from settings import Settings
from tests.problems import pointers_of, problem_of
from tests.serving import serve_api

TEXT = {"pipeline_name": "pii_detection", "input_data": {"text": "Jane called"}}
CALL = Path("examples/support_call.flac")  # 57.235 s
ASK = {
    "name": "ask",
    "steps": [
        {
            "name": "answer",
            "capability": "llm_generation",
            "providers": ["anthropic"],
            "params": {"prompt": "${question}", "max_output_tokens": 100},
        }
    ],
}


@pytest.fixture
async def charged(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """An API that has keys of those who charge, none of whom is ever asked here."""
    keys = {"anthropic_api_key": SecretStr("a"), "deepgram_api_key": SecretStr("d")}
    async with serve_api(settings.model_copy(update=keys)) as api:
        yield api


async def uploaded(api: httpx2.AsyncClient, content: bytes) -> str:
    headers = {"Content-Type": "application/octet-stream"}
    answer = await api.post("/artifacts", content=content, headers=headers)
    return str(answer.json()["artifact_url"])


def transcription(url: str) -> dict[str, Any]:
    return {"pipeline_name": "transcription", "input_data": {"audio_url": url}}


async def test_what_is_free_costs_nothing(door: httpx2.AsyncClient) -> None:
    answer = await door.post("/estimate", json=TEXT)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    (step,) = body.pop("steps")
    assert body == {
        "pipeline_name": "pii_detection",
        "pipeline_version": "1.0.0",
        "best_case_usd": "0",
        "estimated_cost_usd": "0",
        "worst_case_usd": "0",
        "known_cost_usd": "0",
        "reason": None,
    }
    chain = step["chain"]
    assert chain[0] == {
        "provider": "local",
        "model": "presidio-patterns",
        "available": True,
        "cost_unit": "free",
        "price": "0",
        "price_basis": {
            "token_prices": [],
            "diarization_usd": None,
            "source": "embedded: runs on your own processor",
        },
        "best_case_usd": "0",
        "estimated_cost_usd": "0",
        "worst_case_usd": "0",
        "reason": None,
    }
    others = [(one["available"], one["estimated_cost_usd"]) for one in chain[1:]]
    assert set(others) == {(False, None)}
    assert all(one["reason"] for one in chain[1:])


async def test_a_definition_is_estimated_without_being_kept(charged: httpx2.AsyncClient) -> None:
    body = {"definition": ASK, "input_data": {"question": "Why?"}}
    found = (await charged.post("/estimate", json=body)).json()
    assert (found["pipeline_name"], found["pipeline_version"]) == ("ask", "1.0.0")
    # One token is read at $0.10 for a million, 100 are written at $0.50.
    assert found["estimated_cost_usd"] == "0.0000501"
    assert found["steps"][0]["chain"][0]["price_basis"]["token_prices"][0]["output"] == "0.5"
    listed = (await charged.get("/")).json()["pipelines"]
    assert "ask" not in {one["name"] for one in listed}


async def test_what_can_not_run_yet_is_estimated(door: httpx2.AsyncClient) -> None:
    step = {"name": "one", "capability": "pii_redaction", "input": {"text": "item"}}
    definition = {"name": "many", "steps": [step | {"for_each": "texts"}]}
    body = {"definition": definition, "input_data": {"texts": ["a", "b"]}}
    found = (await door.post("/estimate", json=body)).json()
    assert (found["steps"][0]["calls"], found["worst_case_usd"]) == (2, "0")


async def test_an_upload_costs_its_length_and_the_start_tells_the_same(
    charged: httpx2.AsyncClient,
) -> None:
    body = transcription(await uploaded(charged, CALL.read_bytes()))
    found = (await charged.post("/estimate", json=body)).json()
    assert found["steps"][0]["chain"][0]["provider"] == "deepgram"
    # 57.235 s at $0.0043 a minute
    assert found["estimated_cost_usd"] == found["worst_case_usd"] == "0.004101841667"
    started = (await charged.post("/execute", json=body)).json()
    assert started["estimated_cost_usd"] == "0.004101841667"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (
            "https://example.com/call.wav",
            "The recording is fetched in the run only, so its length is not known before.",
        ),
        (None, "The recording does not say how long it is."),
    ],
)
async def test_a_recording_of_unknown_length_costs_an_unknown_amount(
    charged: httpx2.AsyncClient, url: str | None, reason: str
) -> None:
    body = transcription(url or await uploaded(charged, b"fLaC" + bytes(60)))
    found = (await charged.post("/estimate", json=body)).json()
    assert (found["estimated_cost_usd"], found["known_cost_usd"]) == (None, "0")
    assert (found["reason"], found["steps"][0]["reason"]) == (f"transcribe: {reason}", reason)
    assert (await charged.post("/execute", json=body)).json()["estimated_cost_usd"] is None


async def test_the_list_tells_what_does_not_depend_on_the_input(
    door: httpx2.AsyncClient, charged: httpx2.AsyncClient
) -> None:
    for api, transcribing in ((door, "0"), (charged, None)):
        listed = (await api.get("/")).json()["pipelines"]
        expected = {one["name"]: one["estimated_cost_usd"] for one in listed}
        assert expected["transcription"] == transcribing


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"input_data": {}}, [""]),
        (TEXT | {"definition": ASK}, [""]),
        ({"definition": ASK, "pipeline_version": "1.0.0", "input_data": {}}, [""]),
        ({"definition": "ask", "input_data": {}}, ["/definition"]),
        (TEXT | {"input_data": None}, ["/input_data"]),
        (TEXT | {"input_data": {"text": 7}}, ["/input_data/text"]),
        (TEXT | {"priority": 1}, ["/priority"]),
        ({"definition": {"name": "a", "steps": []}, "input_data": {}}, ["/definition/steps"]),
        (
            {
                "definition": {
                    "name": "A",
                    "steps": [{"name": "b", "capability": "pii_redaction", "providers": ["x"]}],
                },
                "input_data": {"text": "hi"},
            },
            ["/definition/name", "/definition/steps/0/providers/0"],
        ),
        (transcription("artifact://nothing"), ["/input_data/audio_url"]),
        (transcription("http://10.0.0.5/call.wav"), ["/input_data/audio_url"]),
    ],
)
async def test_what_does_not_fit_is_refused_with_its_place(
    door: httpx2.AsyncClient, body: dict[str, Any], pointers: list[str]
) -> None:
    problem = problem_of(await door.post("/estimate", json=body), 422, "invalid")
    assert pointers_of(problem) == pointers


async def test_an_unknown_pipeline_or_version_is_404(door: httpx2.AsyncClient) -> None:
    for fields in ({"pipeline_name": "pii_detektion"}, {"pipeline_version": "9.9.9"}):
        answer = await door.post("/estimate", json=TEXT | fields)
        problem_of(answer, 404, "pipeline_not_found")
