"""What there is, and what is nowhere."""

import httpx2
import pytest

from providers.types import Capability
from tests.problems import problem_of

PREDEFINED = ["call_analysis", "pii_detection", "transcription"]


async def test_the_predefined_pipelines_are_listed_with_what_they_take(
    door: httpx2.AsyncClient,
) -> None:
    pipelines = (await door.get("/")).json()["pipelines"]
    assert [pipeline["name"] for pipeline in pipelines] == PREDEFINED
    analysis = pipelines[0]
    assert analysis["version"] == "1.0.0"
    assert analysis["description"]
    assert analysis["capabilities"] == [
        "transcription_diarization",
        "pii_redaction",
        "sentiment_analysis",
        "summarization",
        "llm_generation",
    ]
    assert analysis["steps"][0] == "transcribe"
    assert analysis["input_schema"]["required"] == ["audio_url"]
    assert "estimated_cost_usd" in analysis


async def test_the_list_is_there_with_and_without_a_slash(door: httpx2.AsyncClient) -> None:
    base = str(door.base_url).rstrip("/")
    bare = await door.get(httpx2.URL(base))
    slash = await door.get(httpx2.URL(f"{base}/"))
    assert bare.json() == slash.json()
    assert bare.status_code == slash.status_code == 200


async def test_every_capability_is_listed_with_its_schemas(door: httpx2.AsyncClient) -> None:
    capabilities = (await door.get("/capabilities")).json()["capabilities"]
    assert [capability["name"] for capability in capabilities] == list(Capability)
    redaction = next(one for one in capabilities if one["name"] == "pii_redaction")
    assert redaction["available"] is True
    assert redaction["providers"]
    assert "text" in redaction["request_schema"]["properties"]
    assert "entities" in redaction["response_schema"]["properties"]


async def test_a_capability_is_available_when_one_of_its_providers_is(
    door: httpx2.AsyncClient,
) -> None:
    providers = (await door.get("/providers")).json()["providers"]
    for capability in (await door.get("/capabilities")).json()["capabilities"]:
        available = [
            provider["name"]
            for provider in providers
            if provider["capability"] == capability["name"] and provider["available"]
        ]
        assert capability["providers"] == available
        assert capability["available"] == bool(available)


async def test_providers_are_listed_and_the_unavailable_say_why(
    door: httpx2.AsyncClient,
) -> None:
    providers = (await door.get("/providers")).json()["providers"]
    assert {"local"} <= {provider["name"] for provider in providers}
    for provider in providers:
        assert provider["available"] == (provider["reason"] is None)
    local = next(provider for provider in providers if provider["name"] == "local")
    assert (local["cost_unit"], local["price"]) == ("free", "0")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("GET", "/nothing/at/all"),
        ("GET", "/artifacts/" + "0" * 32),
        ("DELETE", "/artifacts/" + "0" * 32),
        ("GET", "/artifacts/..%2f..%2fetc%2fpasswd"),
    ],
)
async def test_an_unknown_address_is_a_problem(
    door: httpx2.AsyncClient, method: str, path: str
) -> None:
    problem_of(await door.request(method, path), 404, "not_found")


async def test_an_unknown_address_at_the_root_is_a_problem(door: httpx2.AsyncClient) -> None:
    answer = await door.get(str(door.base_url.copy_with(path="/nothing")))
    problem_of(answer, 404, "not_found")


async def test_a_wrong_method_is_a_problem_that_names_the_right_ones(
    door: httpx2.AsyncClient,
) -> None:
    answer = await door.put("/execute", json={})
    problem_of(answer, 405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


async def test_the_api_describes_itself(door: httpx2.AsyncClient) -> None:
    answer = await door.get(str(door.base_url.copy_with(path="/openapi.json")))
    paths = answer.json()["paths"]
    execute = paths["/api/v1/ai/pipelines/execute"]["post"]
    schema = execute["requestBody"]["content"]["application/json"]["schema"]
    assert "pipeline_name" in schema["properties"]
