"""`/definitions`: registered once, per tenant, and never changed."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from pipelines.check import check_document
from pipelines.document import read_yaml
from pipelines.predefined import CALL_ANALYSIS
from pipelines.text import to_json
from settings import Settings
from tests.api.conftest import Restart
from tests.problems import pointers_of, problem_of
from tests.runs import StartWorker
from tests.scripted import ScriptedAdapter
from tests.serving import serve_api

YAML = {"Content-Type": "application/yaml"}
STEP = {"name": "short", "capability": "summarization"}
ANOTHER = {"name": "other", "capability": "summarization"}


def named(name: str, version: str = "1.0.0", **settings: Any) -> dict[str, Any]:
    return {"name": name, "version": version, "steps": [STEP]} | settings


def address_of(definition: dict[str, Any]) -> str:
    return f"/definitions/{definition['name']}/{definition['version']}"


async def put(api: httpx2.AsyncClient, definition: dict[str, Any]) -> httpx2.Response:
    return await api.put(address_of(definition), json=definition)


@pytest.fixture
async def mine(door_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The shared API, asked by a tenant of this test's own."""
    headers = {"X-Tenant-ID": f"tenant-{uuid4().hex}"}
    async with httpx2.AsyncClient(
        base_url=door_url, headers=headers, trust_env=False, timeout=30
    ) as api:
        yield api


async def test_a_new_definition_is_201_with_its_address(mine: httpx2.AsyncClient) -> None:
    answer = await put(mine, named("calls", "1.2.0"))
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/v1/ai/pipelines/definitions/calls/1.2.0"
    assert answer.json() == named("calls", "1.2.0")
    found = await mine.get("/definitions/calls/1.2.0")
    assert (found.status_code, found.json()) == (200, named("calls", "1.2.0"))
    assert found.headers["ETag"] == answer.headers["ETag"]


async def test_the_same_again_is_200_whatever_its_form(mine: httpx2.AsyncClient) -> None:
    definition = named("calls", description="Short", timeout=600)
    first = await put(mine, definition)
    turned = dict(reversed((definition | {"timeout": 600.0, "max_cost_usd": None}).items()))
    text = "steps: [{capability: summarization, name: short}]\ntimeout: 600\nname: calls\n"
    for again in (
        await mine.put(address_of(definition), json=turned),
        await mine.put(address_of(definition), content=f"{text}description: Short\n", headers=YAML),
    ):
        assert again.status_code == 200, again.text
        assert "Location" not in again.headers
        assert (again.text, again.headers["ETag"]) == (first.text, first.headers["ETag"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"steps": [STEP]}, {"steps": [STEP, ANOTHER]}),
        ({"steps": [STEP, ANOTHER]}, {"steps": [ANOTHER, STEP]}),
        # What Python's == calls equal.
        ({"input_schema": {"const": 1}}, {"input_schema": {"const": True}}),
        ({"input_schema": {"const": 1}}, {"input_schema": {"const": 1.0}}),
    ],
)
async def test_other_content_is_409_and_changes_nothing(
    mine: httpx2.AsyncClient, one: dict[str, Any], other: dict[str, Any]
) -> None:
    await put(mine, named("calls", **one))
    problem = problem_of(await put(mine, named("calls", **other)), 409, "definition_exists")
    assert "calls@1.0.0" in problem["detail"]
    assert (await mine.get("/definitions/calls")).json() == named("calls", **one)


async def test_of_many_at_once_one_is_new(mine: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(put(mine, named("calls", description=str(number % 2))) for number in range(10))
    )
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [200] * 4 + [201] + [409] * 5


async def test_the_order_of_keys_is_the_authors(mine: httpx2.AsyncClient) -> None:
    definition = named("calls", output={"z": "short.text", "a": "short"})
    await put(mine, definition)
    assert list((await mine.get("/definitions/calls")).json()["output"]) == ["z", "a"]


async def test_yaml_in_and_yaml_out_is_the_same_definition(mine: httpx2.AsyncClient) -> None:
    text = "name: calls\nsteps:\n  - name: short\n    capability: summarization\n"
    assert (
        await mine.put("/definitions/calls/1.0.0", content=text, headers=YAML)
    ).status_code == 201
    answer = await mine.get("/definitions/calls", headers={"Accept": "application/yaml"})
    assert answer.headers["Content-Type"] == "application/yaml"
    assert read_yaml(answer.text).value == named("calls")


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("text/html, */*;q=0.8", "application/json"),
        ("application/json, application/yaml", "application/json"),
        ("application/yaml;q=0.5, application/json;q=0.4", "application/yaml"),
        ("application/yaml;q=0, */*", "application/json"),
        ("text/yaml", "application/yaml"),
    ],
)
async def test_the_form_is_what_accept_prefers(
    door: httpx2.AsyncClient, accept: str, media_type: str
) -> None:
    answer = await door.get("/definitions/pii_detection", headers={"Accept": accept})
    assert (answer.headers["Content-Type"], answer.headers["Vary"]) == (media_type, "Accept")


async def test_who_has_it_already_is_told_so(door: httpx2.AsyncClient) -> None:
    address = "/definitions/pii_detection/1.0.0"
    tags = {}
    for accept in ("application/json", "application/yaml"):
        first = await door.get(address, headers={"Accept": accept})
        tags[accept] = first.headers["ETag"]
        known = {"Accept": accept, "If-None-Match": tags[accept]}
        again = await door.get(address, headers=known)
        assert (again.status_code, again.content) == (304, b"")
        assert (again.headers["ETag"], again.headers["Vary"]) == (tags[accept], "Accept")
    other = {"Accept": "application/json", "If-None-Match": tags["application/yaml"]}
    assert (await door.get(address, headers=other)).status_code == 200


async def test_every_mistake_is_told_with_its_place(mine: httpx2.AsyncClient) -> None:
    text = (
        "name: other\nversion: 3.0.0\nsteps:\n  - name: short\n    capability: sumarization\n"
        "    providers: [nobody]\n    colour: red\n"
    )
    answer = await mine.put("/definitions/calls/2.0.0", content=text, headers=YAML)
    errors = problem_of(answer, 422, "invalid")["errors"]
    assert [(error["pointer"], error["line"], error["column"]) for error in errors] == [
        ("/name", 1, 7),
        ("/version", 2, 10),
        ("/steps/0/capability", 5, 17),
        ("/steps/0/providers/0", 6, 17),
        ("/steps/0/colour", 7, 5),
    ]
    assert "'calls'" in errors[0]["message"]
    assert "'2.0.0'" in errors[1]["message"]
    problem_of(await mine.get("/definitions/calls"), 404, "pipeline_not_found")


async def test_a_place_in_json_is_a_pointer_only(mine: httpx2.AsyncClient) -> None:
    answer = await mine.put("/definitions/calls/1.0.0", json=named("other"))
    (error,) = problem_of(answer, 422, "invalid")["errors"]
    assert set(error) == {"pointer", "message"}


async def test_an_absent_version_is_1_0_0(mine: httpx2.AsyncClient) -> None:
    definition = {"name": "calls", "steps": [STEP]}
    answer = await mine.put("/definitions/calls/2.0.0", json=definition)
    problem = problem_of(answer, 422, "invalid")
    assert pointers_of(problem) == ["/version"]
    assert "found '1.0.0' by default" in problem["detail"]
    assert (await mine.put("/definitions/calls/1.0.0", json=definition)).status_code == 201


@pytest.mark.parametrize("body", [{"steps": [STEP]}, named("Calls!"), named("calls", "one"), []])
async def test_a_mistake_is_told_once(mine: httpx2.AsyncClient, body: Any) -> None:
    problem = problem_of(await mine.put("/definitions/calls/1.0.0", json=body), 422, "invalid")
    assert len(problem["errors"]) == 1


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("Calls/1.0.0", "'name' takes a letter and up to 63 letters"),
        ("calls/1.0", "'version' takes a semantic version, such as 1.0.0"),
        ("calls/1.0.0%00", "'version' takes a semantic version"),
        (f"calls/1.0.0-{'a' * 64}", "'version' may have at most 64 characters"),
    ],
)
async def test_an_address_without_the_form_is_422(
    mine: httpx2.AsyncClient, address: str, expected: str
) -> None:
    answer = await mine.put(f"/definitions/{address}", json=named("calls"))
    assert expected in problem_of(answer, 422, "invalid")["detail"]


@pytest.mark.parametrize(
    ("content", "media_type", "status", "code"),
    [
        (b"#" * ((1 << 20) + 1), "application/yaml", 413, "too_large"),
        (b"a", "text/plain", 415, "unsupported_media_type"),
        (b"{", "application/json", 400, "malformed"),
        (b"[" * 65 + b"]" * 65, "application/json", 400, "malformed"),
        (b"a: [", "application/yaml", 400, "malformed"),
        (b"\xff", "application/yaml", 400, "malformed"),
    ],
)
async def test_a_body_that_is_none_is_refused(
    mine: httpx2.AsyncClient, content: bytes, media_type: str, status: int, code: str
) -> None:
    headers = {"Content-Type": media_type}
    answer = await mine.put("/definitions/calls/1.0.0", content=content, headers=headers)
    problem_of(answer, status, code)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("cal_analysis", "Did you mean 'call_analysis'?"),
        ("call_analysis/9.9.9", "Known: 1.0.0."),
        ("Nothing-of-the-form", "There is no pipeline"),
        ("nothing%00/1.0.0", "There is no pipeline"),
    ],
)
async def test_an_unknown_definition_is_404(
    door: httpx2.AsyncClient, address: str, expected: str
) -> None:
    answer = await door.get(f"/definitions/{address}")
    assert expected in problem_of(answer, 404, "pipeline_not_found")["detail"]


async def test_another_tenants_definition_is_not_there(
    mine: httpx2.AsyncClient, door: httpx2.AsyncClient
) -> None:
    await put(mine, named("hidden"))
    for address in ("/definitions/hidden", "/definitions/hidden/1.0.0"):
        problem_of(await door.get(address), 404, "pipeline_not_found")
    body = {"pipeline_name": "hidden", "input_data": {"text": "long"}}
    problem_of(await door.post("/execute", json=body), 404, "pipeline_not_found")
    assert "hidden" not in (await door.get("/")).text
    theirs = named("hidden", description="theirs")
    headers = {"X-Tenant-ID": f"tenant-{uuid4().hex}"}
    assert (await door.put(address, json=theirs, headers=headers)).status_code == 201


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        (["1.10.0", "1.9.0", "2.0.0-rc.1"], "1.10.0"),
        (["1.0.0-rc.2", "1.0.0-rc.10"], "1.0.0-rc.10"),
    ],
)
async def test_without_a_version_it_is_the_newest_release(
    mine: httpx2.AsyncClient, versions: list[str], newest: str
) -> None:
    for version in versions:
        await put(mine, named("calls", version))
    assert (await mine.get("/definitions/calls")).json()["version"] == newest
    body = {"pipeline_name": "calls", "input_data": {"text": "long"}}
    assert (await mine.post("/execute", json=body)).json()["pipeline_version"] == newest


async def test_a_tenants_own_newer_version_of_a_predefined_name_is_the_newest(
    mine: httpx2.AsyncClient, door: httpx2.AsyncClient
) -> None:
    for version in ("0.9.0", "1.1.0", "2.0.0-beta"):
        await put(mine, named("call_analysis", version))
    assert (await mine.get("/definitions/call_analysis")).json()["version"] == "1.1.0"
    assert (await door.get("/definitions/call_analysis")).json()["version"] == "1.0.0"
    predefined = (await mine.get("/definitions/call_analysis/1.0.0")).json()
    assert predefined == json.loads(to_json(CALL_ANALYSIS))
    listed = (await mine.get("/")).json()["pipelines"]
    assert [one["version"] for one in listed if one["name"] == "call_analysis"] == [
        "0.9.0",
        "1.0.0",
        "1.1.0",
        "2.0.0-beta",
    ]


async def test_a_predefined_version_can_not_be_changed(mine: httpx2.AsyncClient) -> None:
    problem_of(await put(mine, named("call_analysis")), 409, "definition_exists")
    same = await put(mine, json.loads(to_json(CALL_ANALYSIS)))
    assert same.status_code == 200
    answer = await mine.get("/definitions/call_analysis", headers={"Accept": "application/yaml"})
    assert check_document(read_yaml(answer.text)) == CALL_ANALYSIS


async def test_what_is_registered_outlives_the_api_and_what_an_installation_brings_later(
    restart: Restart, settings: Settings, tmp_path: Path
) -> None:
    own = named("calls", description="own")
    async with restart() as api:
        first = await put(api, own)
    folder = tmp_path / "pipelines"
    folder.mkdir()
    (folder / "calls.json").write_text(json.dumps(named("calls", description="another")))
    async with serve_api(settings.model_copy(update={"ai_pipelines_path": folder})) as api:
        assert (await put(api, own)).status_code == 200
        answer = await api.get("/definitions/calls")
        assert (answer.json(), answer.headers["ETag"]) == (own, first.headers["ETag"])
        listed = (await api.get("/")).json()["pipelines"]
        assert [one["description"] for one in listed if one["name"] == "calls"] == ["own"]
        other = await api.get("/definitions/calls", headers={"X-Tenant-ID": "other"})
        assert other.json()["description"] == "another"


async def test_a_registered_definition_runs_and_a_run_keeps_the_one_it_began_with(
    api: httpx2.AsyncClient, start_worker: StartWorker
) -> None:
    await put(api, named("calls", "1.0.0"))
    body = {"pipeline_name": "calls", "input_data": {"text": "long"}}
    begun = (await api.post("/execute", json=body)).json()
    await put(api, named("calls", "1.1.0", steps=[ANOTHER]))
    await start_worker(ScriptedAdapter())
    old = await api.get(f"/{begun['execution_id']}/result", params={"wait": 20})
    assert old.json()["output"] == {"short": {"text": "in short"}}
    new = await api.post("/execute", json=body, headers={"Prefer": "wait=20"})
    assert new.json()["output"] == {"other": {"text": "in short"}}
    exact = await api.post("/execute", json=body | {"pipeline_version": "1.0.0"})
    assert exact.json()["pipeline_version"] == "1.0.0"


async def test_what_would_be_ignored_is_registered_and_refused_when_it_is_to_run(
    mine: httpx2.AsyncClient,
) -> None:
    step = STEP | {"compensate": "delete_artifact"}
    assert (await put(mine, named("calls", steps=[step]))).status_code == 201
    body = {"pipeline_name": "calls", "input_data": {"text": "long"}}
    problem = problem_of(await mine.post("/execute", json=body), 422, "invalid")
    assert "'compensate' of step 'short' of pipeline 'calls@1.0.0'" in problem["detail"]
    assert (await mine.get("/executions")).json()["executions"] == []


async def test_a_pipeline_with_python_functions_can_not_be_written(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "functional.py").write_text(
        "from pipelines.builder import Pipeline\n"
        "from providers.types import Capability\n"
        "PIPELINE = (Pipeline('functional').step('short').capability(Capability.SUMMARIZATION)\n"
        "    .when(lambda context: True).done().build())\n"
    )
    installed = tmp_path / "functional-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: functional\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("[perdure.pipelines]\nf = functional:PIPELINE\n")
    monkeypatch.syspath_prepend(tmp_path)
    async with serve_api(settings) as api:
        for accept in ("application/json", "application/yaml"):
            answer = await api.get("/definitions/functional", headers={"Accept": accept})
            assert "'short'" in problem_of(answer, 406, "not_exportable")["detail"]
