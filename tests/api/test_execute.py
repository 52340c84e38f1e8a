"""What is started, what is refused at the door, and with which sentence."""

import asyncio
import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from temporalio.client import Client

from api.schemas import PREFIX
from providers.errors import InvalidRequest
from settings import Settings
from tests.api.conftest import Execute
from tests.problems import pointers_of, problem_of
from tests.runs import StartWorker, eventually
from tests.scripted import Hang, ScriptedAdapter, fail

TEXT = {"pipeline_name": "pii_detection", "input_data": {"text": "Jane called"}}
SECRET = "Jane-4111-1111"  # noqa: S105 - what must not be echoed


def call_on(url: Any) -> dict[str, Any]:
    return {"pipeline_name": "transcription", "input_data": {"audio_url": url}}


async def started(client: Client, settings: Settings) -> int:
    query = f"TaskQueue = '{settings.ai_task_queue}'"
    return (await client.count_workflows(query)).count


async def test_an_execution_is_accepted_with_its_location_and_links(
    door: httpx2.AsyncClient,
) -> None:
    answer = await door.post("/execute", json=TEXT)
    assert answer.status_code == 202
    body = answer.json()
    here = f"{PREFIX}/{body['execution_id']}"
    assert answer.headers["Location"] == here
    assert body.pop("created_at").endswith("Z")
    assert body == {
        "execution_id": body["execution_id"],
        "status": "pending",
        "pipeline_name": "pii_detection",
        "pipeline_version": "1.0.0",
        "estimated_cost_usd": "0",
        "links": {
            "self": here,
            "result": f"{here}/result",
            "events": f"{here}/events",
            "cancel": here,
        },
    }


async def test_an_execution_id_is_a_ulid_in_lower_case(door: httpx2.AsyncClient) -> None:
    execution_id = (await door.post("/execute", json=TEXT)).json()["execution_id"]
    assert execution_id.startswith("exec-")
    assert len(execution_id) == 31
    assert set(execution_id.removeprefix("exec-")) <= set("0123456789abcdefghjkmnpqrstvwxyz")


async def test_tags_and_priority_reach_temporal(client: Client, execute: Execute) -> None:
    handle = client.get_workflow_handle(await execute(tags={"team": "support"}, priority=1))
    description = await handle.describe()
    attributes = {pair.key.name: pair.value for pair in description.typed_search_attributes}
    assert attributes["PipelineTags"] == ["team:support"]
    assert description.raw_info.priority.priority_key == 1


async def test_an_unknown_pipeline_is_refused_with_the_known_ones(
    door: httpx2.AsyncClient,
) -> None:
    answer = await door.post("/execute", json=TEXT | {"pipeline_name": "call_analysys"})
    problem = problem_of(answer, 404, "pipeline_not_found")
    for known in ("call_analysis", "pii_detection", "transcription"):
        assert known in problem["detail"]


async def test_an_unknown_version_is_refused_with_the_known_ones(door: httpx2.AsyncClient) -> None:
    answer = await door.post("/execute", json=TEXT | {"pipeline_version": "9.9.9"})
    assert "1.0.0" in problem_of(answer, 404, "pipeline_not_found")["detail"]


@pytest.mark.parametrize(
    ("input_data", "pointer"),
    [
        ({}, "/input_data/audio_url"),
        ({"audio_url": 7}, "/input_data/audio_url"),
        ({"audio_url": None}, "/input_data/audio_url"),
        ({"audio_url": ""}, "/input_data/audio_url"),
        ({"audio_url": "https://example.com/a.wav", "langage": "en"}, "/input_data"),
        ({"audio_url": "https://example.com/a.wav", "language": [SECRET]}, "/input_data/language"),
    ],
)
async def test_input_that_does_not_fit_is_refused_with_its_pointer(
    door: httpx2.AsyncClient, input_data: dict[str, Any], pointer: str
) -> None:
    body = {"pipeline_name": "transcription", "input_data": input_data}
    answer = await door.post("/execute", json=body)
    assert pointers_of(problem_of(answer, 422, "invalid")) == [pointer]
    assert SECRET not in answer.text


async def test_every_mistake_of_the_input_is_listed(door: httpx2.AsyncClient) -> None:
    body = {"pipeline_name": "transcription", "input_data": {"language": 7, "x": 1}}
    problem = problem_of(await door.post("/execute", json=body), 422, "invalid")
    assert pointers_of(problem) == [
        "/input_data",
        "/input_data/audio_url",
        "/input_data/language",
    ]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"pipeline_name": None}, "/pipeline_name"),
        ({"input_data": SECRET}, "/input_data"),
        ({"colour": SECRET}, "/colour"),
        ({"priority": 0}, "/priority"),
        ({"priority": 6}, "/priority"),
        ({"priority": SECRET}, "/priority"),
        ({"priority": True}, "/priority"),
        ({"priority": "2"}, "/priority"),
        ({"priority": 2.5}, "/priority"),
        ({"tags": {"team": '"'}}, "/tags/team"),
        ({"tags": {"team": "a\\b"}}, "/tags/team"),
        ({"tags": {"team": "a\x1fb"}}, "/tags/team"),
        ({"tags": {"a\nb": "x"}}, "/tags/a\nb"),
        ({"tags": {"team": 7}}, "/tags/team"),
        ({"tags": {"a:b": "c"}}, "/tags/a:b"),
        ({"tags": {"a/b~c": ""}}, "/tags/a~1b~0c"),
        ({"tags": {"team": "x" * 129}}, "/tags/team"),
        ({"tags": {str(number): "x" for number in range(21)}}, "/tags"),
        ({"tags": {str(number): "é" * 100 for number in range(20)}}, "/tags"),
        ({"max_cost_usd": "0"}, "/max_cost_usd"),
        ({"max_cost_usd": SECRET}, "/max_cost_usd"),
    ],
)
async def test_a_body_that_does_not_fit_is_refused_with_its_pointer(
    door: httpx2.AsyncClient, fields: dict[str, Any], pointer: str
) -> None:
    answer = await door.post("/execute", json=TEXT | fields)
    assert pointers_of(problem_of(answer, 422, "invalid")) == [pointer]
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"input_data": {"text": ""}}, "'text' must not be empty."),
        ({"input_data": {"text": None}}, "'text' must be a string, got null."),
        ({"input_data": []}, "'input_data' must be an object."),
        ({"tags": []}, "'tags' must be an object."),
        ({"tags": {"team": 7}}, "'tags.team' must be a string."),
        (
            {"tags": {"a:b": "c"}},
            "The key 'tags.a:b' takes 1 to 64 characters, without ':', '\"', '\\' and control",
        ),
        ({"tags": {str(number): "x" for number in range(21)}}, "'tags' may have at most 20"),
        ({"tags": {str(number): "é" * 100 for number in range(20)}}, "'tags' may have at most"),
        ({"priority": True}, "'priority' must be a whole number."),
        ({"priority": 0}, "'priority' must be at least 1."),
        ({"priority": 6}, "'priority' may be at most 5."),
        ({"pipeline_name": None}, "'pipeline_name' must be a string."),
        ({"max_cost_usd": "much"}, "'max_cost_usd' must be a decimal number."),
        ({"tag": {}}, "There is no key 'tag'. Did you mean 'tags'? Known keys: pipeline_name,"),
    ],
)
async def test_a_mistake_is_told_in_a_plain_sentence_that_names_the_field(
    door: httpx2.AsyncClient, fields: dict[str, Any], sentence: str
) -> None:
    answer = await door.post("/execute", json=TEXT | fields)
    assert problem_of(answer, 422, "invalid")["detail"].startswith(sentence)


async def test_a_body_without_its_fields_is_told_both(door: httpx2.AsyncClient) -> None:
    detail = problem_of(await door.post("/execute", json={}), 422, "invalid")["detail"]
    assert detail == "'pipeline_name' is required. 'input_data' is required."


async def test_thousands_of_unknown_keys_are_not_all_told(door: httpx2.AsyncClient) -> None:
    keys = {f"key{number}": 1 for number in range(5000)}
    problem = problem_of(await door.post("/execute", json=TEXT | keys), 422, "invalid")
    assert len(problem["errors"]) == 20


async def test_null_is_the_same_as_absent(client: Client, execute: Execute) -> None:
    handle = client.get_workflow_handle(await execute(priority=None, tags=None))
    description = await handle.describe()
    assert description.raw_info.priority.priority_key == 3
    assert "PipelineTags" not in description.search_attributes


async def test_an_answer_shows_whole_milliseconds(door: httpx2.AsyncClient) -> None:
    moments = [
        datetime.fromisoformat((await door.post("/execute", json=TEXT)).json()["created_at"])
        for _ in range(3)
    ]
    assert [moment.microsecond % 1000 for moment in moments] == [0, 0, 0]


async def test_the_most_and_the_longest_ascii_tags_fit(
    api: httpx2.AsyncClient, execute: Execute
) -> None:
    tags = {f"key-{number:02}": "x" * 80 for number in range(20)}
    status = (await api.get(f"/{await execute(tags=tags)}")).json()
    assert status["tags"] == tags


@pytest.mark.parametrize("body", [[TEXT], [], "text", 7, None])
async def test_a_body_that_is_no_object_is_refused(door: httpx2.AsyncClient, body: Any) -> None:
    content = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    answer = await door.post("/execute", content=content, headers=headers)
    assert problem_of(answer, 422, "invalid")["detail"] == "The body must be a JSON object."


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.5/call.wav",
        "https://10.0.0.5/call.wav",
        "https://[::1]/call.wav",
        "http://example.com/call.wav",
        f"ftp://jane:{SECRET}@example.com/call.wav",
        f"https://jane:{SECRET}@example.com/call.wav",
        f"file:///etc/{SECRET}",
        "https://[::1/call.wav",
        "call.wav",
    ],
)
async def test_an_address_that_is_not_fetched_from_is_refused(
    door: httpx2.AsyncClient, url: str
) -> None:
    answer = await door.post("/execute", json=call_on(url))
    assert pointers_of(problem_of(answer, 422, "invalid")) == ["/input_data/audio_url"]
    assert SECRET not in answer.text


async def test_a_public_address_is_accepted_without_asking_it(door: httpx2.AsyncClient) -> None:
    answer = await door.post("/execute", json=call_on("https://example.com/call.wav"))
    assert answer.status_code == 202


async def upload(api: httpx2.AsyncClient, content: bytes, **headers: str) -> str:
    answer = await api.post("/artifacts", content=content, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["artifact_url"])


async def test_an_upload_that_is_a_recording_is_accepted(door: httpx2.AsyncClient) -> None:
    url = await upload(door, b"fLaC" + bytes(60))
    assert (await door.post("/execute", json=call_on(url))).status_code == 202


@pytest.mark.parametrize("declared", ["text/plain", "audio/wav", "audio/flac"])
async def test_an_upload_that_is_text_is_no_recording_whatever_its_type_claims(
    door: httpx2.AsyncClient, declared: str
) -> None:
    url = await upload(door, f"{SECRET} called".encode(), **{"Content-Type": declared})
    answer = await door.post("/execute", json=call_on(url))
    problem = problem_of(answer, 422, "invalid")
    assert pointers_of(problem) == ["/input_data/audio_url"]
    assert "not a recording" in problem["detail"]


async def test_another_tenants_upload_is_refused_like_one_that_is_not_there(
    door: httpx2.AsyncClient,
) -> None:
    theirs = await upload(door, b"fLaC" + bytes(60), **{"X-Tenant-ID": "other"})
    foreign = await door.post("/execute", json=call_on(theirs))
    absent = await door.post("/execute", json=call_on("artifact://" + "0" * 32))
    assert pointers_of(problem_of(foreign, 422, "invalid")) == ["/input_data/audio_url"]
    assert foreign.json() == absent.json()


async def test_nothing_is_started_for_what_is_refused(
    api: httpx2.AsyncClient, client: Client, settings: Settings, execute: Execute
) -> None:
    await api.post("/execute", json=TEXT | {"input_data": {}})
    await api.post("/execute", json=TEXT | {"max_cost_usd": "0"})
    await api.post("/execute", json=call_on("http://10.0.0.5/call.wav"))
    await execute()

    async def something_is_started() -> bool:
        return await started(client, settings) > 0

    await eventually(something_is_started, "the accepted run can be counted")
    assert await started(client, settings) == 1


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"", "line 1"),
        (b'{"pipeline_name": ', "line 1"),
        (b'{"priority": NaN}', "'priority' is NaN, which is not a JSON value."),
        (b'{"priority": -Infinity}', "'priority' is -Infinity, which is not a JSON value."),
        (b'{"a": {"b": [1, 1e400]}}', "'a.b.1' is too large a number."),
        (b'{"a": {"b": "\\ud800"}}', "'a.b' holds half of a surrogate pair"),
        (b'{"a": {"\\udfff": 1}}', "A key of 'a' holds half of a surrogate pair"),
        (b'{"a": "b\\u0000"}', "'a' must not contain the character U+0000."),
        (b'"\\u0000"', "The body must not contain"),
        (b'{"\\u0000": 1}', "A key of the body must not contain"),
        (b'{"pipeline_name": "\xff"}', "The body is not text in UTF-8."),
        (b'{"priority": ' + b"9" * 5000 + b"}", "'priority' is a number of too many digits."),
        (b"[" * 65 + b"]" * 65, "64"),
        (b"[" * 200_000 + b"]" * 200_000, "64"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "64"),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else value,
)
async def test_what_is_no_plain_json_is_malformed(
    door: httpx2.AsyncClient, content: bytes, hint: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await door.post("/execute", content=content, headers=headers)
    assert hint in problem_of(answer, 400, "malformed")["detail"]


async def test_json_as_deep_as_allowed_is_read(door: httpx2.AsyncClient) -> None:
    content = b"[" * 64 + b"]" * 64
    headers = {"Content-Type": "application/json"}
    problem_of(await door.post("/execute", content=content, headers=headers), 422, "invalid")


async def test_a_body_of_one_mebibyte_is_read_and_one_byte_more_is_not(
    door: httpx2.AsyncClient,
) -> None:
    empty = len(b'{"a":""}')
    headers = {"Content-Type": "application/json"}
    fits = b'{"a":"' + b"x" * ((1 << 20) - empty) + b'"}'
    problem_of(await door.post("/execute", content=fits, headers=headers), 422, "invalid")
    large = b'{"a":"' + b"x" * ((1 << 20) - empty + 1) + b'"}'
    problem_of(await door.post("/execute", content=large, headers=headers), 413, "too_large")


async def test_the_largest_text_that_fits_is_run(
    api: httpx2.AsyncClient, start_worker: StartWorker, execute: Execute
) -> None:
    working = ScriptedAdapter(price=Decimal("0.000001"))
    await start_worker(working)
    text = "x" * ((1 << 20) - 100)
    execution_id = await execute(input_data={"text": text})
    result = await api.get(f"/{execution_id}/result", params={"wait": 20})
    assert result.json()["status"] == "completed"
    assert working.calls[0].request.model_dump()["text"] == text


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_body_of_another_type_is_refused(door: httpx2.AsyncClient, media_type: str) -> None:
    headers = {"Content-Type": media_type}
    answer = await door.post("/execute", content=b"{}", headers=headers)
    problem_of(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("tenant", ["", "-x", "a b", "a/b", "x" * 65])
async def test_a_tenant_name_without_the_form_is_refused(
    door: httpx2.AsyncClient, tenant: str
) -> None:
    answer = await door.post("/execute", json=TEXT, headers={"X-Tenant-ID": tenant})
    assert "X-Tenant-ID" in problem_of(answer, 400, "malformed")["detail"]


async def test_a_caller_who_prefers_to_wait_gets_the_result(
    api: httpx2.AsyncClient, working: ScriptedAdapter
) -> None:
    answer = await api.post("/execute", json=TEXT, headers={"Prefer": "respond-async, wait=20"})
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert answer.headers["Location"].endswith(answer.json()["execution_id"])
    assert answer.json()["output"]["redacted"]["text"] == "[NAME] called"
    assert len(working.calls) == 1


async def test_a_run_that_fails_while_the_caller_waits_is_an_answer_too(
    api: httpx2.AsyncClient, start_worker: StartWorker
) -> None:
    await start_worker(ScriptedAdapter(fail(InvalidRequest("too odd"))))
    answer = await api.post("/execute", json=TEXT, headers={"Prefer": "wait=20"})
    assert (answer.status_code, answer.json()["success"]) == (200, False)


async def test_a_run_that_does_not_end_in_time_is_accepted(
    api: httpx2.AsyncClient, start_worker: StartWorker, hang: Hang
) -> None:
    await start_worker(ScriptedAdapter(hang))
    async with asyncio.timeout(10):
        answer = await api.post("/execute", json=TEXT, headers={"Prefer": "wait=1"})
    assert answer.status_code == 202
    assert answer.json()["links"]["result"]


@pytest.mark.parametrize("prefer", ["wait=soon", "handling=lenient", "await=5", ""])
async def test_a_preference_that_is_not_known_is_ignored(
    door: httpx2.AsyncClient, prefer: str
) -> None:
    answer = await door.post("/execute", json=TEXT, headers={"Prefer": prefer})
    assert answer.status_code == 202


async def test_another_content_of_the_same_form_may_be_posted_as_plus_json(
    door: httpx2.AsyncClient,
) -> None:
    headers = {"Content-Type": "application/vnd.example+json; charset=utf-8"}
    answer = await door.post("/execute", json=TEXT, headers=headers)
    assert answer.status_code == 202
