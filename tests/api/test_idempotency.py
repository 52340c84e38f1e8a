"""One key, one body, one execution, one answer."""

import asyncio

import httpx2
from temporalio.client import Client

from settings import Settings
from tests.api.conftest import Remote, Restart
from tests.postgres import on_both_databases
from tests.problems import problem_of
from tests.runs import eventually

TEXT = {"pipeline_name": "pii_detection", "input_data": {"text": "Jane called"}}
KEY = {"Idempotency-Key": "order-7"}

pytest_generate_tests = on_both_databases


async def started(client: Client, settings: Settings) -> int:
    query = f"TaskQueue = '{settings.ai_task_queue}'"
    return (await client.count_workflows(query)).count


async def test_a_replay_is_the_same_answer_and_says_so(api: httpx2.AsyncClient) -> None:
    first = await api.post("/execute", json=TEXT, headers=KEY)
    again = await api.post("/execute", json=TEXT, headers=KEY)
    assert (first.status_code, again.status_code) == (202, 200)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert again.json() == first.json()


async def test_without_a_key_every_call_is_an_execution(api: httpx2.AsyncClient) -> None:
    first = await api.post("/execute", json=TEXT)
    again = await api.post("/execute", json=TEXT)
    assert first.json()["execution_id"] != again.json()["execution_id"]


async def test_ten_calls_at_once_are_one_execution_and_one_acceptance(
    api: httpx2.AsyncClient, client: Client, settings: Settings
) -> None:
    answers = await asyncio.gather(
        *(api.post("/execute", json=TEXT, headers=KEY) for _ in range(10))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [202]
    assert len({answer.text for answer in answers}) == 1

    async def something_is_started() -> bool:
        return await started(client, settings) > 0

    await eventually(something_is_started, "the run can be counted")
    assert await started(client, settings) == 1


async def test_the_order_of_keys_in_the_body_does_not_matter(api: httpx2.AsyncClient) -> None:
    first = await api.post("/execute", json=TEXT, headers=KEY)
    turned = dict(reversed(TEXT.items()))
    again = await api.post("/execute", json=turned, headers=KEY)
    assert again.json() == first.json()


async def test_a_key_with_another_body_is_refused(api: httpx2.AsyncClient) -> None:
    await api.post("/execute", json=TEXT, headers=KEY)
    other = TEXT | {"input_data": {"text": "John called"}}
    answer = await api.post("/execute", json=other, headers=KEY)
    problem_of(answer, 422, "idempotency_key_reused")


async def test_a_key_is_a_tenants_own(api: httpx2.AsyncClient) -> None:
    mine = await api.post("/execute", json=TEXT, headers=KEY)
    theirs = await api.post("/execute", json=TEXT, headers=KEY | {"X-Tenant-ID": "other"})
    assert theirs.status_code == 202
    assert theirs.json()["execution_id"] != mine.json()["execution_id"]


async def test_a_key_survives_a_restart_of_the_api(restart: Restart) -> None:
    async with restart() as api:
        first = await api.post("/execute", json=TEXT, headers=KEY)
    async with restart() as api:
        again = await api.post("/execute", json=TEXT, headers=KEY)
    assert (again.status_code, again.json()) == (200, first.json())


async def test_a_refused_body_does_not_use_the_key_up(api: httpx2.AsyncClient) -> None:
    refused = await api.post("/execute", json=TEXT | {"input_data": {}}, headers=KEY)
    problem_of(refused, 422, "invalid")
    assert (await api.post("/execute", json=TEXT, headers=KEY)).status_code == 202


async def test_a_call_while_temporal_is_away_does_not_use_the_key_up(remote: Remote) -> None:
    await remote.api.get("/")
    await remote.relay.cut()
    away = await remote.api.post("/execute", json=TEXT, headers=KEY)
    problem_of(away, 503, "unavailable")
    await remote.relay.mend()
    answer = await remote.api.post("/execute", json=TEXT, headers=KEY)
    assert answer.status_code == 202, answer.text
    assert "Idempotent-Replayed" not in answer.headers


async def test_a_key_of_an_execution_that_has_ended_still_gives_its_answer(
    api: httpx2.AsyncClient, working: object
) -> None:
    del working
    waiting = KEY | {"Prefer": "wait=20"}
    ended = await api.post("/execute", json=TEXT, headers=waiting)
    again = await api.post("/execute", json=TEXT, headers=KEY)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert again.json()["execution_id"] == ended.json()["execution_id"]


async def test_a_key_without_the_form_is_malformed(door: httpx2.AsyncClient) -> None:
    for key in ("", "x" * 256):
        answer = await door.post("/execute", json=TEXT, headers={"Idempotency-Key": key})
        assert "Idempotency-Key" in problem_of(answer, 400, "malformed")["detail"]
