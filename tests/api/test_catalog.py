"""What there is, and what is nowhere."""

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator

from api.schemas import PREFIX
from providers.types import Capability
from settings import Settings
from tests.problems import problem_of
from tests.runs import StartWorker
from tests.scripted import ScriptedAdapter
from tests.serving import serve_api

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
    assert redaction["request_schema"]["properties"]["text"]["description"].startswith("A text")
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


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/execute", "POST"),
        ("/executions", "GET"),
        ("/exec-01arz3ndektsv4rrffq69g5fav", "DELETE, GET"),
        ("/artifacts/1", "DELETE, GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_every_method_of_the_path(
    door: httpx2.AsyncClient, path: str, allowed: str
) -> None:
    answer = await door.patch(path)
    problem_of(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == allowed


@pytest.fixture
async def description(door: httpx2.AsyncClient) -> dict[str, Any]:
    """Return what the API says of itself."""
    answer = await door.get(str(door.base_url.copy_with(path="/openapi.json")))
    found: dict[str, Any] = answer.json()
    return found


def operation_of(description: dict[str, Any], method: str, path: str) -> dict[str, Any]:
    paths = description["paths"]
    found: dict[str, Any] = paths.get(PREFIX + path, paths.get(path))[method]
    return found


async def test_the_api_describes_itself(description: dict[str, Any]) -> None:
    execute = operation_of(description, "post", "/execute")
    schema = execute["requestBody"]["content"]["application/json"]["schema"]
    assert "pipeline_name" in schema["properties"]


async def test_every_call_is_described_with_the_one_form_of_problems(
    description: dict[str, Any],
) -> None:
    for operations in description["paths"].values():
        for operation in operations.values():
            assert operation["responses"]["default"]["content"] == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemBody"}}
            }
    assert "code" in description["components"]["schemas"]["ProblemBody"]["properties"]


async def test_every_reference_of_the_description_leads_somewhere(
    description: dict[str, Any],
) -> None:
    text = json.dumps(description)
    names = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert names <= set(description["components"]["schemas"])
    assert "HTTPValidationError" not in text


async def test_a_problem_has_the_form_that_is_described(
    door: httpx2.AsyncClient, description: dict[str, Any]
) -> None:
    problem = (await door.post("/execute", json={})).json()
    schema = {"$ref": "#/components/schemas/ProblemBody", "components": description["components"]}
    Draft202012Validator(schema).validate(problem)


@pytest.mark.parametrize(
    ("method", "path", "status", "media_type"),
    [
        ("post", "/execute", "200", "application/json"),
        ("get", "/{execution_id}/result", "202", "application/json"),
        ("get", "/{execution_id}/events", "200", "text/event-stream"),
        ("get", "/{execution_id}/events", "200", "application/json"),
        ("get", "/health", "503", "application/json"),
        ("get", "/metrics", "200", "text/plain"),
        ("get", "/artifacts/{artifact_id}", "200", "*/*"),
        ("put", "/definitions/{name}/{version}", "201", "application/json"),
        ("get", "/definitions/{name}", "200", "application/yaml"),
    ],
)
async def test_an_answer_is_described(
    description: dict[str, Any], method: str, path: str, status: str, media_type: str
) -> None:
    answers = operation_of(description, method, path)["responses"]
    assert answers[status]["content"][media_type]["schema"]


async def test_an_upload_is_described_as_form_and_as_raw_body(description: dict[str, Any]) -> None:
    content = operation_of(description, "post", "/artifacts")["requestBody"]["content"]
    assert set(content) == {"multipart/form-data", "application/octet-stream"}


@pytest.mark.parametrize("name", ["X-Tenant-ID", "Idempotency-Key", "Prefer"])
async def test_a_header_is_described(description: dict[str, Any], name: str) -> None:
    parameters = operation_of(description, "post", "/execute")["parameters"]
    assert (name, "header") in {(one["name"], one["in"]) for one in parameters}


async def test_a_pipeline_from_a_folder_can_be_run(
    settings: Settings, start_worker: StartWorker, tmp_path: Path
) -> None:
    folder = tmp_path / "pipelines"
    folder.mkdir()
    step = "{name: short, capability: summarization}"
    (folder / "mine.yaml").write_text(f"name: mine\nversion: 2.0.0\nsteps: [{step}]\n")
    await start_worker(ScriptedAdapter())
    async with serve_api(settings.model_copy(update={"ai_pipelines_path": folder})) as http:
        answer = await http.post(
            "/execute",
            json={"pipeline_name": "mine", "input_data": {"text": "long"}},
            headers={"Prefer": "wait=20"},
        )
    assert answer.json()["output"] == {"short": {"text": "in short"}}
