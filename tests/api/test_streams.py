"""What subscribers receive: the same events in the same order, however and whenever they join."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest
from temporalio.client import Client
from ulid import ULID
from websockets.exceptions import ConnectionClosed, InvalidStatus

from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress
from providers.errors import InvalidRequest, ProviderFault
from providers.types import Capability
from tests.api.conftest import Execute, Restart
from tests.listening import all_frames, all_messages, next_message, sse, websocket
from tests.problems import problem_of
from tests.runs import StartWorker, eventually, redact_then_summarize, start
from tests.scripted import Hang, ScriptedAdapter, answer, fail

TENANT = {"X-Tenant-ID": "tenant-1"}
TERMINAL = {"workflow_completed", "workflow_failed", "workflow_cancelled"}
COMPLETED = [
    "workflow_started",
    "step_started",
    "cost_incurred",
    "step_completed",
    "progress_update",
    "workflow_completed",
]


async def events_of(api: httpx2.AsyncClient, execution_id: str, **headers: str) -> dict[str, Any]:
    """Return the page of durable events."""
    asked = {"Accept": "application/json", **headers}
    answer = await api.get(f"/{execution_id}/events", headers=asked)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def durable(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["event_id"] is not None]


async def test_a_stream_tells_a_run_from_its_beginning_to_its_end(
    api: httpx2.AsyncClient, execute: Execute, working: ScriptedAdapter
) -> None:
    del working
    frames = await all_frames(api, f"/{await execute()}/events")
    assert [frame.event for frame in frames if frame.id] == COMPLETED


async def test_a_frames_id_and_event_lines_say_what_its_data_says(
    api: httpx2.AsyncClient, execute: Execute, working: ScriptedAdapter
) -> None:
    del working
    execution_id = await execute()
    for frame in await all_frames(api, f"/{execution_id}/events"):
        assert frame.id == frame.data["event_id"]
        assert frame.event == frame.data["event_type"]
        assert frame.data["execution_id"] == execution_id


async def test_a_websocket_sends_the_events_and_closes_normally(
    api: httpx2.AsyncClient, execute: Execute, working: ScriptedAdapter
) -> None:
    del working
    messages, code = await all_messages(api, f"/{await execute()}/events")
    assert [message["event_type"] for message in durable(messages)] == COMPLETED
    assert code == 1000


async def test_every_event_has_every_key(
    api: httpx2.AsyncClient, execute: Execute, working: ScriptedAdapter
) -> None:
    del working
    messages, _ = await all_messages(api, f"/{await execute()}/events")
    assert {tuple(message) for message in messages} == {
        (
            "event_id",
            "event_type",
            "execution_id",
            "timestamp",
            "pipeline_name",
            "step_name",
            "provider",
            "model",
            "attempt",
            "progress_percent",
            "cost_usd",
            "message",
            "error",
            "data",
        )
    }


async def test_stream_websocket_and_page_show_the_same_events(
    api: httpx2.AsyncClient, execute: Execute, working: ScriptedAdapter
) -> None:
    del working
    path = f"/{await execute()}/events"
    live, _ = await all_messages(api, path)
    late = [frame.data for frame in await all_frames(api, path)]
    page = await events_of(api, path.split("/")[1])
    assert durable(live) == late == page["events"]
    assert page["next_after"] == late[-1]["event_id"]


async def test_who_joins_after_a_restart_of_the_api_sees_the_same_events(
    restart: Restart, working: ScriptedAdapter
) -> None:
    del working
    body = {"pipeline_name": "pii_detection", "input_data": {"text": "Jane called"}}
    async with restart() as api:
        path = f"/{(await api.post('/execute', json=body)).json()['execution_id']}/events"
        before = [frame for frame in await all_frames(api, path) if frame.id]
    async with restart() as api:
        assert await all_frames(api, path) == before


async def test_two_subscribers_see_the_same_durable_events(
    api: httpx2.AsyncClient, execute: Execute, start_worker: StartWorker
) -> None:
    path = f"/{await execute()}/events"
    both = [asyncio.create_task(all_messages(api, path)) for _ in range(2)]
    await start_worker(ScriptedAdapter())
    (one, _), (two, _) = await asyncio.gather(*both)
    assert durable(one) == durable(two)
    assert len(durable(one)) == len(COMPLETED)


@pytest.mark.parametrize("place", range(len(COMPLETED)))
async def test_a_stream_goes_on_after_the_last_event_that_was_received(
    api: httpx2.AsyncClient, execute: Execute, working: ScriptedAdapter, place: int
) -> None:
    del working
    path = f"/{await execute()}/events"
    live, _ = await all_messages(api, path)
    everything = durable(live)
    after = everything[place]["event_id"]
    async with asyncio.timeout(5):
        frames = await all_frames(api, path, **{"Last-Event-ID": after})
        messages, code = await all_messages(api, f"{path}?after={after}")
    assert [frame.data for frame in frames] == messages == everything[place + 1 :]
    assert code == 1000


async def test_a_page_goes_on_after_an_event(
    api: httpx2.AsyncClient, execute: Execute, working: ScriptedAdapter
) -> None:
    del working
    execution_id = await execute()
    await all_frames(api, f"/{execution_id}/events")
    everything = (await events_of(api, execution_id))["events"]
    after = everything[1]["event_id"]
    rest = await events_of(api, execution_id, **{"Last-Event-ID": after})
    assert rest["events"] == everything[2:]
    last = await events_of(api, execution_id, **{"Last-Event-ID": everything[-1]["event_id"]})
    assert last == {"events": [], "next_after": everything[-1]["event_id"]}


@pytest.mark.parametrize("after", ["7", "1.9999.0", "1.1.1", "a.b.c", "-1.5.0", "1.5.0 ", "²"])
@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
async def test_an_id_that_is_none_of_the_runs_is_malformed(
    door: httpx2.AsyncClient, pending: str, after: str, accept: str
) -> None:
    answer = await door.get(
        f"/{pending}/events", params={"after": after}, headers={"Accept": accept}
    )
    problem_of(answer, 400, "malformed")


async def test_an_empty_id_means_from_the_beginning_of_a_stream(
    api: httpx2.AsyncClient, execute: Execute, working: ScriptedAdapter
) -> None:
    del working
    path = f"/{await execute()}/events"
    everything = await all_frames(api, path)
    assert await all_frames(api, f"{path}?after=", **{"Last-Event-ID": ""}) == [
        frame for frame in everything if frame.id
    ]


async def test_an_empty_id_means_from_the_beginning_of_a_websocket(
    api: httpx2.AsyncClient, execute: Execute, working: ScriptedAdapter
) -> None:
    del working
    path = f"/{await execute()}/events"
    everything, _ = await all_messages(api, path)
    again, _ = await all_messages(api, f"{path}?after=")
    assert durable(again) == durable(everything)


@pytest.mark.parametrize(("query", "header"), [("?after=", {}), ("", {"Last-Event-ID": ""})])
async def test_an_empty_id_means_from_the_beginning_of_a_page(
    door: httpx2.AsyncClient, pending: str, query: str, header: dict[str, str]
) -> None:
    answer = await door.get(
        f"/{pending}/events{query}", headers={"Accept": "application/json"} | header
    )
    assert (answer.status_code, answer.json()) == (200, {"events": [], "next_after": None})


async def test_an_id_that_is_none_of_the_runs_is_refused_at_the_handshake(
    door: httpx2.AsyncClient, pending: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await all_messages(door, f"/{pending}/events?after=1.9999.0")
    assert refused.value.response.status_code == 400
    assert json.loads(refused.value.response.body or b"")["code"] == "malformed"


@pytest.mark.parametrize("foreign", [True, False])
async def test_who_may_not_see_a_run_is_refused_at_the_handshake(
    door: httpx2.AsyncClient, pending: str, foreign: bool
) -> None:
    execution_id = pending if foreign else f"exec-{str(ULID()).lower()}"
    with pytest.raises(InvalidStatus) as refused:
        await all_messages(door, f"/{execution_id}/events", **{"X-Tenant-ID": "other"})
    response = refused.value.response
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"
    assert json.loads(response.body or b"")["code"] == "not_found"


async def test_a_run_that_no_worker_took_up_can_be_followed(
    api: httpx2.AsyncClient, execute: Execute, start_worker: StartWorker
) -> None:
    path = f"/{await execute()}/events"
    async with asyncio.timeout(20), AsyncExitStack() as stack:
        frames = await stack.enter_async_context(sse(api, path))
        messages = await stack.enter_async_context(websocket(api, path))
        await start_worker(ScriptedAdapter())
        assert (await anext(frames)).event == "workflow_started"
        assert json.loads(await messages.recv())["event_type"] == "workflow_started"


async def test_a_run_can_be_followed_while_every_worker_is_down(
    api: httpx2.AsyncClient, execute: Execute, start_worker: StartWorker
) -> None:
    adapter = ScriptedAdapter(fail(ProviderFault("busy")))
    worker = await start_worker(adapter)
    execution_id = await execute()

    async def called() -> bool:
        return bool(adapter.calls)

    await eventually(called, "the provider is asked")
    await worker.stop()
    async with websocket(api, f"/{execution_id}/events") as connection:
        first, second = json.loads(await connection.recv()), json.loads(await connection.recv())
    assert (first["event_type"], second["event_type"]) == ("workflow_started", "step_started")


async def test_the_json_page_of_a_pending_run_is_empty(
    door: httpx2.AsyncClient, pending: str
) -> None:
    assert await events_of(door, pending) == {"events": [], "next_after": None}


async def complete(client: Client, execution_id: str) -> None:
    del client, execution_id


async def cancel(client: Client, execution_id: str) -> None:
    await client.get_workflow_handle(execution_id).cancel()


async def terminate(client: Client, execution_id: str) -> None:
    await client.get_workflow_handle(execution_id).terminate("enough")


@pytest.mark.parametrize(
    ("acts", "end", "last"),
    [
        ([answer()], complete, ("workflow_completed", None)),
        ([fail(InvalidRequest("odd"))], complete, ("workflow_failed", "invalid_request")),
        ([], cancel, ("workflow_cancelled", "cancelled")),
        ([], terminate, ("workflow_failed", "terminated")),
    ],
    ids=["completed", "failed", "cancelled", "terminated"],
)
async def test_the_last_event_is_how_the_run_ended(
    api: httpx2.AsyncClient,
    client: Client,
    execute: Execute,
    start_worker: StartWorker,
    hang: Hang,
    acts: list[Any],
    end: Callable[[Client, str], Awaitable[None]],
    last: tuple[str, str | None],
) -> None:
    await start_worker(ScriptedAdapter(*(acts or [hang])))
    execution_id = await execute()
    if not acts:
        await hang.entered.wait()
    await end(client, execution_id)
    messages, code = await all_messages(api, f"/{execution_id}/events")
    event_type, error_code = last
    assert messages[-1]["event_type"] == event_type
    assert (messages[-1]["error"] or {}).get("code") == error_code
    assert not TERMINAL & {message["event_type"] for message in messages[:-1]}
    assert code == 1000


async def test_progress_never_falls_and_ends_at_hundred(
    api: httpx2.AsyncClient, start_worker: StartWorker
) -> None:
    worker = await start_worker(ScriptedAdapter(fail(ProviderFault("busy")), answer()))
    handle = await start(worker, redact_then_summarize())
    messages, _ = await all_messages(api, f"/{handle.id}/events", **TENANT)
    values = [message["progress_percent"] for message in messages]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (0, 100)
    assert 50 in values


async def test_progress_does_not_fall_when_an_attempt_that_got_far_fails(
    api: httpx2.AsyncClient, execute: Execute, start_worker: StartWorker
) -> None:
    give_up = asyncio.Event()

    async def stumble(call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        del call
        report_progress(0.9)
        await give_up.wait()
        raise ProviderFault("late")

    await start_worker(ScriptedAdapter(stumble, answer()))
    async with websocket(api, f"/{await execute()}/events") as connection:
        hint = await next_message(connection, "progress_update")
        give_up.set()
        rest = [json.loads(message) async for message in connection]
    values = [message["progress_percent"] for message in (hint, *rest)]
    assert values[0] == 90
    assert values == sorted(values)
    assert "step_retrying" in {message["event_type"] for message in durable(rest)}


async def test_progress_inside_a_call_is_a_hint_without_an_id(
    api: httpx2.AsyncClient, execute: Execute, start_worker: StartWorker, hang: Hang
) -> None:
    await start_worker(ScriptedAdapter(hang))
    execution_id = await execute()
    async with websocket(api, f"/{execution_id}/events") as connection:
        hint = await next_message(connection, "progress_update")
    assert (hint["event_id"], hint["step_name"], hint["progress_percent"]) == (None, "redact", 50)
    assert hint["event_id"] is None
    page = await events_of(api, execution_id)
    assert "progress_update" not in {event["event_type"] for event in page["events"]}


async def test_a_hints_frame_has_no_id_line(
    api: httpx2.AsyncClient, execute: Execute, start_worker: StartWorker, hang: Hang
) -> None:
    await start_worker(ScriptedAdapter(hang))
    async with sse(api, f"/{await execute()}/events") as frames:
        async for frame in frames:
            if frame.event == "progress_update":
                break
    assert frame.id is None


async def test_retries_are_one_durable_event_with_the_last_error(
    api: httpx2.AsyncClient, start_worker: StartWorker
) -> None:
    busy, busier = fail(ProviderFault("busy")), fail(ProviderFault("busier"))
    worker = await start_worker(ScriptedAdapter(busy, busier, answer()))
    handle = await start(worker, redact_then_summarize())
    messages, _ = await all_messages(api, f"/{handle.id}/events", **TENANT)
    (retried,) = [
        message for message in durable(messages) if message["event_type"] == "step_retrying"
    ]
    assert retried["data"] == {"attempts": 3}
    assert (retried["error"]["code"], retried["error"]["message"]) == ("provider_fault", "busier")


async def test_another_provider_is_a_durable_event_that_names_the_one_before(
    api: httpx2.AsyncClient, start_worker: StartWorker
) -> None:
    first = ScriptedAdapter(fail(ProviderFault("down")), capabilities=[Capability.PII_REDACTION])
    second = ScriptedAdapter(name="zweiter")
    worker = await start_worker(first, second)
    handle = await start(worker, redact_then_summarize())
    messages, _ = await all_messages(api, f"/{handle.id}/events", **TENANT)
    changes = [
        (message["provider"], message["data"])
        for message in durable(messages)
        if message["event_type"] == "step_retrying" and "fallback_from" in message["data"]
    ]
    assert changes == [("zweiter", {"fallback_from": "scripted"})]


async def test_a_skipped_step_is_an_event_with_its_reason(
    api: httpx2.AsyncClient, start_worker: StartWorker
) -> None:
    worker = await start_worker(ScriptedAdapter())
    handle = await start(worker, redact_then_summarize(when="size(redacted.text) > 500"))
    messages, _ = await all_messages(api, f"/{handle.id}/events", **TENANT)
    (skipped,) = [message for message in messages if message["event_type"] == "step_skipped"]
    assert skipped["step_name"] == "summarize"
    assert "size(redacted.text) > 500" in skipped["message"]


async def test_ids_are_ordered_and_unique(
    api: httpx2.AsyncClient, start_worker: StartWorker
) -> None:
    worker = await start_worker(ScriptedAdapter(fail(ProviderFault("busy")), answer()))
    handle = await start(worker, redact_then_summarize())
    messages, _ = await all_messages(api, f"/{handle.id}/events", **TENANT)
    ids = [tuple(map(int, message["event_id"].split("."))) for message in durable(messages)]
    assert ids == sorted(set(ids))
    assert len(ids) > 10


async def reading(expected: bool) -> bool:
    """Tell whether the API, which runs in this process, reads a run's history."""
    running = {getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()}
    return ("_Watch._read" in running) == expected


async def test_a_stream_that_is_left_stops_its_reader(
    api: httpx2.AsyncClient, execute: Execute
) -> None:
    async with sse(api, f"/{await execute()}/events"):
        await eventually(lambda: reading(expected=True), "history is read")
    await eventually(lambda: reading(expected=False), "nobody reads history")


async def test_a_websocket_that_is_left_stops_its_reader(
    api: httpx2.AsyncClient, execute: Execute
) -> None:
    async with websocket(api, f"/{await execute()}/events"):
        await eventually(lambda: reading(expected=True), "history is read")
    await eventually(lambda: reading(expected=False), "nobody reads history")


async def test_a_websocket_whose_network_breaks_stops_its_reader(
    api: httpx2.AsyncClient, execute: Execute
) -> None:
    connection = await websocket(api, f"/{await execute()}/events")
    await eventually(lambda: reading(expected=True), "history is read")
    connection.transport.abort()
    await eventually(lambda: reading(expected=False), "nobody reads history")


async def test_one_of_two_subscribers_may_leave(
    api: httpx2.AsyncClient, execute: Execute, start_worker: StartWorker
) -> None:
    path = f"/{await execute()}/events"
    async with websocket(api, path) as staying:
        async with websocket(api, path):
            await eventually(lambda: reading(expected=True), "history is read")
        await start_worker(ScriptedAdapter())
        assert await next_message(staying, "workflow_completed")


async def test_a_client_that_leaves_with_the_last_event_troubles_nobody(
    api: httpx2.AsyncClient,
    execute: Execute,
    working: ScriptedAdapter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    del working
    for _ in range(5):
        async with websocket(api, f"/{await execute()}/events") as connection:
            await next_message(connection, "workflow_completed")
            connection.transport.abort()
    await eventually(lambda: reading(expected=False), "nobody reads history")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_an_api_that_shuts_down_tells_its_listeners_to_resume_elsewhere(
    restart: Restart,
) -> None:
    body = {"pipeline_name": "pii_detection", "input_data": {"text": "Jane called"}}
    async with AsyncExitStack() as stack:
        async with restart() as api:
            execution_id = (await api.post("/execute", json=body)).json()["execution_id"]
            connection = await stack.enter_async_context(websocket(api, f"/{execution_id}/events"))
        with pytest.raises(ConnectionClosed):
            await connection.recv()
        assert connection.close_code == 1012


async def test_a_refused_handshake_is_no_error_in_the_log(
    api: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidStatus):
        await all_messages(api, f"/exec-{str(ULID()).lower()}/events")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
