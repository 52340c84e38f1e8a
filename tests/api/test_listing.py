"""The list of executions: a tenant's own, newest first, filtered, in pages."""

from datetime import datetime
from typing import Any

import httpx2
import pytest

from providers.errors import InvalidRequest
from tests.api.conftest import Execute
from tests.problems import problem_of
from tests.runs import StartWorker, eventually
from tests.scripted import ScriptedAdapter, fail

TENANT = {"X-Tenant-ID": "lister"}


async def listed(api: httpx2.AsyncClient, **query: Any) -> list[str]:
    answer = await api.get("/executions", params=query, headers=TENANT)
    assert answer.status_code == 200, answer.text
    return [execution["execution_id"] for execution in answer.json()["executions"]]


async def wait_for(api: httpx2.AsyncClient, ids: list[str], **query: Any) -> None:
    """Wait until visibility, which lags behind, lists exactly these."""

    async def there() -> bool:
        return await listed(api, **query) == ids

    await eventually(there, f"{ids} are listed for {query}")


@pytest.fixture
def tenant(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Give the test a tenant of its own: the server is the whole session's."""
    name = f"lister-{abs(hash(request.node.nodeid))}"
    monkeypatch.setitem(TENANT, "X-Tenant-ID", name)


pytestmark = pytest.mark.usefixtures("tenant")


async def started(api: httpx2.AsyncClient, **fields: Any) -> str:
    body = {"pipeline_name": "pii_detection", "input_data": {"text": "Jane called"}} | fields
    answer = await api.post("/execute", json=body, headers=TENANT)
    return str(answer.json()["execution_id"])


async def test_executions_are_listed_newest_first(door: httpx2.AsyncClient) -> None:
    first = await started(door)
    second = await started(door)
    await wait_for(door, [second, first])


async def test_a_listed_execution_says_what_it_is(door: httpx2.AsyncClient) -> None:
    execution_id = await started(door, tags={"team": "a:b"})
    await wait_for(door, [execution_id])
    (one,) = (await door.get("/executions", headers=TENANT)).json()["executions"]
    assert one.pop("created_at").endswith("Z")
    assert one.pop("links")["self"].endswith(execution_id)
    assert one == {
        "execution_id": execution_id,
        "status": "running",
        "pipeline_name": "pii_detection",
        "pipeline_version": "1.0.0",
        "completed_at": None,
        "tags": {"team": "a:b"},
    }


async def test_a_listed_execution_shows_whole_milliseconds(door: httpx2.AsyncClient) -> None:
    ids = [await started(door) for _ in range(3)]
    await wait_for(door, ids[::-1])
    executions = (await door.get("/executions", headers=TENANT)).json()["executions"]
    moments = [datetime.fromisoformat(execution["created_at"]) for execution in executions]
    assert [moment.microsecond % 1000 for moment in moments] == [0, 0, 0]


@pytest.mark.parametrize("status", ["pending", "running"])
async def test_what_goes_on_is_found_as_pending_and_as_running(
    door: httpx2.AsyncClient, status: str
) -> None:
    execution_id = await started(door)
    await wait_for(door, [execution_id], status=status)


async def test_what_has_ended_is_not_found_as_pending(
    api: httpx2.AsyncClient, start_worker: StartWorker
) -> None:
    await start_worker(ScriptedAdapter())
    await wait_for(api, [await started(api)], status="completed")
    assert await listed(api, status="pending") == []


async def test_a_refused_filter_is_told_what_it_takes(door: httpx2.AsyncClient) -> None:
    answer = await door.get("/executions", params={"tag": "team", "limit": 0}, headers=TENANT)
    assert problem_of(answer, 422, "invalid")["detail"] == (
        "'tag' takes a tag as key:value, without '\"', '\\' and control characters. "
        "'limit' must be at least 1."
    )


async def test_another_tenants_executions_are_not_listed(
    door: httpx2.AsyncClient, execute: Execute
) -> None:
    theirs = await execute()
    mine = await started(door)
    await wait_for(door, [mine])
    assert theirs not in await listed(door)


async def test_executions_are_found_by_how_they_ended(
    api: httpx2.AsyncClient, start_worker: StartWorker
) -> None:
    await start_worker(ScriptedAdapter(fail(InvalidRequest("odd"))))
    failed = await started(api)
    await wait_for(api, [failed], status="failed")
    await wait_for(api, [], status="completed")


async def test_executions_are_found_by_pipeline_and_by_tag(door: httpx2.AsyncClient) -> None:
    plain = await started(door)
    tagged = await started(door, tags={"team": "it's me"})
    await wait_for(door, [tagged, plain])
    assert await listed(door, tag="team:it's me") == [tagged]
    assert await listed(door, tag="team:other") == []
    assert await listed(door, pipeline_name="pii_detection") == [tagged, plain]
    assert await listed(door, pipeline_name="transcription") == []


async def test_a_tag_can_not_widen_the_question(door: httpx2.AsyncClient, execute: Execute) -> None:
    await execute()
    assert await listed(door, tag="a:b' OR TenantId = 'default") == []


async def test_pages_together_list_every_execution_once(door: httpx2.AsyncClient) -> None:
    ids = [await started(door) for _ in range(5)]
    await wait_for(door, ids[::-1])
    found: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while query.get("cursor", True):
        page = (await door.get("/executions", params=query, headers=TENANT)).json()
        found += [execution["execution_id"] for execution in page["executions"]]
        query["cursor"] = page["next_cursor"]
    assert found == ids[::-1]


@pytest.mark.parametrize("cursor", ["?", "abc", "bm9uc2Vuc2U="])
async def test_a_cursor_that_was_not_given_out_is_malformed(
    door: httpx2.AsyncClient, cursor: str
) -> None:
    answer = await door.get("/executions", params={"cursor": cursor}, headers=TENANT)
    problem_of(answer, 400, "malformed")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "sleeping"),
        ("pipeline_name", "No'"),
        ("tag", "team"),
        ("tag", 'team:"'),
        ("tag", "team:\0"),
        ("tag", "te\nam:x"),
        ("tag", "team:"),
        ("tag", "team:\\' OR TenantId = 'default"),
        ("limit", 0),
        ("limit", 201),
    ],
)
async def test_a_filter_without_the_form_is_refused_by_its_name(
    door: httpx2.AsyncClient, name: str, value: str
) -> None:
    answer = await door.get("/executions", params={name: value}, headers=TENANT)
    assert name in problem_of(answer, 422, "invalid")["detail"]
