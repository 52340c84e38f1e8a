"""How an execution is seen from outside, while it runs and when it has ended."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from ulid import ULID

from providers.errors import InvalidRequest
from settings import Settings
from tests.api.conftest import Execute
from tests.problems import problem_of
from tests.runs import StartWorker, eventually
from tests.scripted import Hang, ScriptedAdapter, answer, fail
from workflows.search_attributes import TENANT_ID

OTHER = {"X-Tenant-ID": "other"}
NO_ID = f"exec-{str(ULID()).lower()}"


async def ended(api: httpx2.AsyncClient, execution_id: str) -> dict[str, Any]:
    answer = await api.get(f"/{execution_id}/result", params={"wait": 20})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def status_of(api: httpx2.AsyncClient, execution_id: str) -> dict[str, Any]:
    answer = await api.get(f"/{execution_id}")
    assert answer.status_code == 200, answer.text
    status: dict[str, Any] = answer.json()
    return status


async def test_an_execution_that_no_worker_took_up_is_pending(
    api: httpx2.AsyncClient, execute: Execute
) -> None:
    execution_id = await execute(tags={"team": "support"})
    status = await status_of(api, execution_id)
    links = status.pop("links")
    assert links["self"].endswith(execution_id)
    assert status.pop("created_at").endswith("Z")
    assert status == {
        "execution_id": execution_id,
        "status": "pending",
        "pipeline_name": "pii_detection",
        "pipeline_version": "1.0.0",
        "progress_percent": 0,
        "current_steps": [],
        "steps": [
            {
                "name": "redact",
                "capability": "pii_redaction",
                "status": "pending",
                "provider": None,
                "model": None,
                "attempts": 0,
                "started_at": None,
                "completed_at": None,
                "duration_ms": None,
                "cost_usd": None,
                "error": None,
            }
        ],
        "total_cost_usd": None,
        "known_cost_usd": "0",
        "started_at": None,
        "completed_at": None,
        "tags": {"team": "support"},
        "error": None,
    }


async def test_a_running_execution_shows_its_step_and_how_much_of_it_is_done(
    api: httpx2.AsyncClient, execute: Execute, start_worker: StartWorker, hang: Hang
) -> None:
    await start_worker(ScriptedAdapter(hang))
    execution_id = await execute()
    await hang.entered.wait()

    async def half_done() -> bool:
        return bool((await status_of(api, execution_id))["progress_percent"] == 50)

    await eventually(half_done, "the call's progress is in the status")
    status = await status_of(api, execution_id)
    assert (status["status"], status["current_steps"]) == ("running", ["redact"])
    step = status["steps"][0]
    assert (step["status"], step["provider"], step["model"]) == ("running", "scripted", "model-1")


async def test_a_completed_execution_shows_its_cost_and_full_progress(
    api: httpx2.AsyncClient, execute: Execute, start_worker: StartWorker
) -> None:
    await start_worker(ScriptedAdapter(answer(characters=7)))
    execution_id = await execute()
    await ended(api, execution_id)
    status = await status_of(api, execution_id)
    assert (status["status"], status["progress_percent"]) == ("completed", 100)
    assert (status["total_cost_usd"], status["known_cost_usd"]) == ("0.007", "0.007")
    assert status["steps"][0]["cost_usd"] == "0.007"
    assert status["started_at"] <= status["completed_at"]


async def test_a_failed_execution_shows_the_same_error_everywhere(
    api: httpx2.AsyncClient, execute: Execute, start_worker: StartWorker
) -> None:
    await start_worker(ScriptedAdapter(fail(InvalidRequest("too odd"))))
    execution_id = await execute()
    result = await ended(api, execution_id)
    status = await status_of(api, execution_id)
    assert status["status"] == "failed"
    error = status["error"]
    assert (error["code"], error["message"]) == ("invalid_request", "too odd")
    assert (error["step"], error["provider"], error["retryable"]) == ("redact", "scripted", False)
    assert status["steps"][0]["error"] == result["error"] == error


async def test_a_result_has_output_cost_and_steps(
    api: httpx2.AsyncClient, execute: Execute, working: ScriptedAdapter
) -> None:
    del working
    execution_id = await execute()
    result = await ended(api, execution_id)
    steps = result.pop("steps")
    assert result.pop("total_duration_ms") >= 0
    assert result == {
        "execution_id": execution_id,
        "success": True,
        "status": "completed",
        "output": {
            "redacted": {"text": "[NAME] called", "segments": None, "entities": []},
        },
        "total_cost_usd": "0.01",
        "known_cost_usd": "0.01",
        "compensations": [],
        "error": None,
    }
    assert steps == (await status_of(api, execution_id))["steps"]


async def test_the_result_of_a_failed_execution_is_no_success(
    api: httpx2.AsyncClient, execute: Execute, start_worker: StartWorker
) -> None:
    await start_worker(ScriptedAdapter(fail(InvalidRequest("too odd"))))
    result = await ended(api, await execute())
    assert (result["success"], result["status"], result["output"]) == (False, "failed", None)
    assert result["error"]["code"] == "invalid_request"


async def test_there_is_no_result_while_an_execution_goes_on(
    api: httpx2.AsyncClient, execute: Execute
) -> None:
    execution_id = await execute()
    answer = await api.get(f"/{execution_id}/result")
    assert answer.status_code == 202
    assert int(answer.headers["Retry-After"]) > 0
    body = answer.json()
    assert (body["execution_id"], body["status"]) == (execution_id, "pending")


async def test_a_caller_who_waits_for_a_result_gets_it_when_it_is_there(
    api: httpx2.AsyncClient, execute: Execute, start_worker: StartWorker
) -> None:
    execution_id = await execute()
    waiting = asyncio.create_task(ended(api, execution_id))
    await start_worker(ScriptedAdapter())
    assert (await waiting)["status"] == "completed"


async def test_a_caller_who_waits_in_vain_is_told_to_come_again(
    api: httpx2.AsyncClient, execute: Execute
) -> None:
    async with asyncio.timeout(10):
        answer = await api.get(f"/{await execute()}/result", params={"wait": 0.3})
    assert (answer.status_code, answer.headers["Retry-After"]) == (202, "1")


@pytest.mark.parametrize("wait", ["61", "1e9", "inf"])
async def test_a_longer_wait_than_allowed_is_shortened(
    api: httpx2.AsyncClient, execute: Execute, working: ScriptedAdapter, wait: str
) -> None:
    del working
    answer = await api.get(f"/{await execute()}/result", params={"wait": wait})
    assert answer.json()["status"] == "completed"


@pytest.mark.parametrize("wait", ["-1", "soon", "nan"])
async def test_a_wait_that_is_none_is_refused(door: httpx2.AsyncClient, wait: str) -> None:
    body = {"pipeline_name": "pii_detection", "input_data": {"text": "Jane called"}}
    execution_id = (await door.post("/execute", json=body)).json()["execution_id"]
    answer = await door.get(f"/{execution_id}/result", params={"wait": wait})
    assert "wait" in problem_of(answer, 422, "invalid")["detail"]


async def test_a_running_execution_is_cancelled(
    api: httpx2.AsyncClient, execute: Execute, start_worker: StartWorker, hang: Hang
) -> None:
    await start_worker(ScriptedAdapter(hang))
    execution_id = await execute()
    await hang.entered.wait()
    answer = await api.delete(f"/{execution_id}")
    assert (answer.status_code, answer.json()["status"]) == (202, "running")
    result = await ended(api, execution_id)
    assert (result["success"], result["status"]) == (False, "cancelled")
    assert result["error"]["code"] == "cancelled"
    assert (await status_of(api, execution_id))["steps"][0]["status"] == "cancelled"


async def test_cancellation_may_be_asked_for_again(
    api: httpx2.AsyncClient, execute: Execute
) -> None:
    execution_id = await execute()
    answers = [await api.delete(f"/{execution_id}") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 202]


async def complete(api: httpx2.AsyncClient, client: Client, execution_id: str) -> None:
    del client
    await ended(api, execution_id)


async def cancel(api: httpx2.AsyncClient, client: Client, execution_id: str) -> None:
    del client
    await api.delete(f"/{execution_id}")
    await ended(api, execution_id)


async def terminate(api: httpx2.AsyncClient, client: Client, execution_id: str) -> None:
    del api
    await client.get_workflow_handle(execution_id).terminate()


@pytest.mark.parametrize("end", [complete, cancel, terminate])
async def test_what_has_ended_can_not_be_cancelled(
    api: httpx2.AsyncClient,
    client: Client,
    execute: Execute,
    working: ScriptedAdapter,
    end: Callable[[httpx2.AsyncClient, Client, str], Awaitable[None]],
) -> None:
    del working
    execution_id = await execute()
    await end(api, client, execution_id)
    problem_of(await api.delete(f"/{execution_id}"), 409, "already_ended")


async def test_an_execution_that_was_terminated_in_temporal_has_failed(
    api: httpx2.AsyncClient, client: Client, execute: Execute
) -> None:
    execution_id = await execute()
    await client.get_workflow_handle(execution_id).terminate(reason="out of patience")
    status = await status_of(api, execution_id)
    assert (status["status"], status["error"]["code"]) == ("failed", "terminated")
    assert "out of patience" in status["error"]["message"]
    assert (await ended(api, execution_id))["error"] == status["error"]


async def ask_status(api: httpx2.AsyncClient, path: str, **headers: str) -> httpx2.Response:
    return await api.get(path, headers=headers)


async def ask_result(api: httpx2.AsyncClient, path: str, **headers: str) -> httpx2.Response:
    return await api.get(f"{path}/result", headers=headers)


async def ask_events(api: httpx2.AsyncClient, path: str, **headers: str) -> httpx2.Response:
    return await api.get(f"{path}/events", headers=headers)


async def ask_cancel(api: httpx2.AsyncClient, path: str, **headers: str) -> httpx2.Response:
    return await api.delete(path, headers=headers)


Ask = Callable[..., Awaitable[httpx2.Response]]
every_question = pytest.mark.parametrize("ask", [ask_status, ask_result, ask_events, ask_cancel])


@every_question
async def test_another_tenants_execution_is_not_there(
    api: httpx2.AsyncClient, execute: Execute, ask: Ask
) -> None:
    foreign = await ask(api, f"/{await execute()}", **OTHER)
    assert problem_of(foreign, 404, "not_found") == problem_of(
        await ask(api, f"/{NO_ID}"), 404, "not_found"
    )


@every_question
@pytest.mark.parametrize(
    "execution_id",
    [
        NO_ID.removeprefix("exec-"),
        NO_ID.upper(),
        NO_ID[:-1],
        NO_ID + "0",
        NO_ID[:-1] + "u",
        "exec-",
        "budget",
        "..",
        "%00",
        "exec-%0a",
    ],
)
async def test_what_is_no_execution_id_is_not_there(
    door: httpx2.AsyncClient, ask: Ask, execution_id: str
) -> None:
    problem = (await ask(door, f"/{execution_id}")).json()
    assert (problem["code"], problem["status"]) in {
        ("not_found", 404),
        ("method_not_allowed", 405),
    }


@every_question
async def test_a_workflow_of_another_type_is_no_execution(
    api: httpx2.AsyncClient, client: Client, settings: Settings, ask: Ask
) -> None:
    execution_id = f"exec-{str(ULID()).lower()}"
    tenant = TypedSearchAttributes([SearchAttributePair(TENANT_ID, "default")])
    await client.start_workflow(
        "SomethingElse",
        id=execution_id,
        task_queue=settings.ai_task_queue,
        search_attributes=tenant,
    )
    problem_of(await ask(api, f"/{execution_id}"), 404, "not_found")
    assert (await client.get_workflow_handle(execution_id).describe()).close_time is None
