"""Uploads: stored once, counted by reference, a tenant's own."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.schemas import PREFIX
from artifacts.store import ArtifactStore
from settings import Settings
from tests.postgres import on_both_databases
from tests.problems import problem_of
from tests.runs import eventually
from tests.serving import serve_api

CONTENT = b"fLaC" + bytes(range(200))
OTHER = {"X-Tenant-ID": "other"}

pytest_generate_tests = on_both_databases


async def upload(
    api: httpx2.AsyncClient, content: bytes = CONTENT, **headers: str
) -> dict[str, Any]:
    answer = await api.post("/artifacts", content=content, headers=headers)
    assert answer.status_code == 201, answer.text
    artifact: dict[str, Any] = answer.json()
    return artifact


def stored(settings: Settings) -> list[Path]:
    """List the content files, and what uploads left behind."""
    return [path for path in (settings.ai_data_dir / "artifacts").rglob("*") if path.is_file()]


async def test_a_raw_body_is_stored(door: httpx2.AsyncClient) -> None:
    answer = await door.post("/artifacts", content=CONTENT)
    artifact = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{PREFIX}/artifacts/{artifact['id']}"
    assert artifact == {
        "artifact_url": f"artifact://{artifact['id']}",
        "id": artifact["id"],
        "size": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "media_type": "audio/flac",
    }


async def test_a_form_is_stored_like_a_raw_body(door: httpx2.AsyncClient) -> None:
    form = await door.post("/artifacts", files={"file": ("call.flac", CONTENT, "text/plain")})
    raw = await upload(door)
    assert form.status_code == 201
    for key in ("size", "sha256", "media_type"):
        assert form.json()[key] == raw[key]


@pytest.mark.parametrize(
    ("content", "declared", "media_type"),
    [
        (CONTENT, "text/html", "audio/flac"),
        (b"hello", "text/plain; charset=utf-8", "text/plain"),
        (b"hello", "audio/wav", "application/octet-stream"),
        (b"hello", "video/mp4", "application/octet-stream"),
        (b"hello", "nonsense", "application/octet-stream"),
        (b"hello", "text/" + "x" * 1000, "application/octet-stream"),
        (b"hello", "", "application/octet-stream"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
async def test_a_media_type_is_seen_not_believed(
    door: httpx2.AsyncClient, content: bytes, declared: str, media_type: str
) -> None:
    artifact = await upload(door, content, **{"Content-Type": declared})
    assert artifact["media_type"] == media_type


async def test_content_comes_back_as_it_was(door: httpx2.AsyncClient) -> None:
    artifact = await upload(door)
    answer = await door.get(f"/artifacts/{artifact['id']}")
    assert answer.content == CONTENT
    assert answer.headers["Content-Type"] == "audio/flac"
    assert answer.headers["ETag"] == f'"{artifact["sha256"]}"'


async def test_content_is_never_shown_as_a_page(door: httpx2.AsyncClient) -> None:
    artifact = await upload(door, b"<script>", **{"Content-Type": "text/html"})
    answer = await door.get(f"/artifacts/{artifact['id']}")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"] == "attachment"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("bytes=0-3", CONTENT[:4]), ("bytes=-4", CONTENT[-4:]), ("bytes=200-", CONTENT[200:])],
)
async def test_a_range_is_honoured(door: httpx2.AsyncClient, asked: str, expected: bytes) -> None:
    artifact = await upload(door)
    answer = await door.get(f"/artifacts/{artifact['id']}", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, expected)
    assert answer.headers["Content-Range"].endswith(f"/{len(CONTENT)}")


async def test_a_range_of_another_version_gives_everything(door: httpx2.AsyncClient) -> None:
    artifact = await upload(door)
    headers = {"Range": "bytes=0-3", "If-Range": '"another"'}
    answer = await door.get(f"/artifacts/{artifact['id']}", headers=headers)
    assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_a_range_beyond_the_end_is_a_problem(door: httpx2.AsyncClient) -> None:
    artifact = await upload(door)
    headers = {"Range": "bytes=9999-"}
    answer = await door.get(f"/artifacts/{artifact['id']}", headers=headers)
    problem_of(answer, 416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize("asked", ["bytes=-0", "bytes=-000", "bytes=-0, 9999-"])
async def test_a_range_of_no_bytes_is_a_problem(door: httpx2.AsyncClient, asked: str) -> None:
    artifact = await upload(door)
    answer = await door.get(f"/artifacts/{artifact['id']}", headers={"Range": asked})
    problem_of(answer, 416, "range_not_satisfiable")


async def test_a_range_beyond_the_end_of_this_version_is_a_problem(
    door: httpx2.AsyncClient,
) -> None:
    artifact = await upload(door)
    headers = {"Range": "bytes=9999-", "If-Range": f'"{artifact["sha256"]}"'}
    answer = await door.get(f"/artifacts/{artifact['id']}", headers=headers)
    problem_of(answer, 416, "range_not_satisfiable")


@pytest.mark.parametrize("known", ['"{}"', 'W/"{}"', '"another", "{}"', "*"])
async def test_content_that_is_known_is_not_sent_again(
    door: httpx2.AsyncClient, known: str
) -> None:
    artifact = await upload(door)
    headers = {"If-None-Match": known.format(artifact["sha256"])}
    answer = await door.get(f"/artifacts/{artifact['id']}", headers=headers)
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["ETag"] == f'"{artifact["sha256"]}"'


async def test_content_that_is_not_known_is_sent(door: httpx2.AsyncClient) -> None:
    artifact = await upload(door)
    headers = {"If-None-Match": '"another"'}
    answer = await door.get(f"/artifacts/{artifact['id']}", headers=headers)
    assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_head_tells_of_the_content_without_it(door: httpx2.AsyncClient) -> None:
    artifact = await upload(door)
    answer = await door.head(f"/artifacts/{artifact['id']}")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert answer.headers["ETag"] == f'"{artifact["sha256"]}"'


@pytest.mark.parametrize(
    "asked", ["lines=1-2", "bytes=a-b", "bytes=5-2", "bytes=", "1-2", "bytes=-"]
)
async def test_a_range_that_is_none_is_ignored(door: httpx2.AsyncClient, asked: str) -> None:
    artifact = await upload(door)
    answer = await door.get(f"/artifacts/{artifact['id']}", headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_equal_content_is_stored_once_and_kept_while_one_refers_to_it(
    api: httpx2.AsyncClient, settings: Settings
) -> None:
    first, second = await upload(api), await upload(api)
    assert first["id"] != second["id"]
    assert len(stored(settings)) == 1
    assert (await api.delete(f"/artifacts/{first['id']}")).status_code == 204
    assert (await api.get(f"/artifacts/{second['id']}")).content == CONTENT
    assert (await api.delete(f"/artifacts/{second['id']}")).status_code == 204
    assert stored(settings) == []


async def test_equal_content_that_comes_at_once_is_stored_once(
    api: httpx2.AsyncClient, settings: Settings
) -> None:
    artifacts = await asyncio.gather(*(upload(api) for _ in range(10)))
    assert len({artifact["id"] for artifact in artifacts}) == 10
    assert len(stored(settings)) == 1
    gone = await asyncio.gather(
        *(api.delete(f"/artifacts/{artifact['id']}") for artifact in artifacts)
    )
    assert {answer.status_code for answer in gone} == {204}
    assert stored(settings) == []


async def test_equal_content_of_another_tenant_is_stored_apart(
    api: httpx2.AsyncClient, settings: Settings
) -> None:
    mine = await upload(api)
    await upload(api, CONTENT, **OTHER)
    assert len(stored(settings)) == 2
    await api.delete(f"/artifacts/{mine['id']}")
    assert len(stored(settings)) == 1


async def test_what_is_deleted_is_gone(door: httpx2.AsyncClient) -> None:
    artifact = await upload(door)
    await door.delete(f"/artifacts/{artifact['id']}")
    problem_of(await door.get(f"/artifacts/{artifact['id']}"), 404, "not_found")
    problem_of(await door.delete(f"/artifacts/{artifact['id']}"), 404, "not_found")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_another_tenants_artifact_is_not_there(door: httpx2.AsyncClient, method: str) -> None:
    artifact = await upload(door)
    answer = await door.request(method, f"/artifacts/{artifact['id']}", headers=OTHER)
    problem_of(answer, 404, "not_found")
    assert (await door.get(f"/artifacts/{artifact['id']}")).content == CONTENT


async def test_an_empty_upload_is_refused(api: httpx2.AsyncClient, settings: Settings) -> None:
    raw = await api.post("/artifacts", content=b"")
    form = await api.post("/artifacts", files={"file": ("call.flac", b"")})
    for answer in (raw, form):
        assert "empty" in problem_of(answer, 422, "invalid")["detail"]
    assert stored(settings) == []


async def test_a_form_without_a_file_is_refused(door: httpx2.AsyncClient) -> None:
    other = await door.post("/artifacts", files={"upload": ("call.flac", CONTENT)})
    assert "'file'" in problem_of(other, 422, "invalid")["detail"]
    boundary = {"Content-Type": "multipart/form-data; boundary=x"}
    text = b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nhello\r\n--x--\r\n'
    plain = await door.post("/artifacts", content=text, headers=boundary)
    assert "'file'" in problem_of(plain, 422, "invalid")["detail"]


PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhello'


@pytest.mark.parametrize(
    ("boundary", "content", "reason"),
    [
        ("", PART, "no boundary"),
        ("; boundary=", PART, "no boundary"),
        (f"; boundary={'x' * 5000}", PART, "boundary is too long"),
        ("; boundary=other", PART, "does not follow its boundary"),
        ("; boundary=x", PART, "ends before its last boundary"),
        ("; boundary=x", b"", "ends before its last boundary"),
        ("; boundary=x", PART + b"\r\n" + PART + b"\r\n--x--\r\n", "more than one file"),
    ],
)
async def test_a_form_that_can_not_be_read_is_malformed(
    api: httpx2.AsyncClient, settings: Settings, boundary: str, content: bytes, reason: str
) -> None:
    headers = {"Content-Type": f"multipart/form-data{boundary}"}
    answer = await api.post("/artifacts", content=content, headers=headers)
    detail = problem_of(answer, 400, "malformed")["detail"]
    assert reason in detail
    assert "'file'" in detail
    assert stored(settings) == []


async def test_a_file_may_stand_between_other_fields(door: httpx2.AsyncClient) -> None:
    fields = {"before": "1", "after": "2"}
    answer = await door.post("/artifacts", data=fields, files={"file": ("a", CONTENT)})
    assert answer.json()["size"] == len(CONTENT)


async def test_a_form_may_come_in_single_bytes(door: httpx2.AsyncClient) -> None:
    async def drip() -> AsyncIterator[bytes]:
        for byte in PART + b"\r\n--y\r\n--x--\r\n":
            yield bytes([byte])

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    artifact = (await door.post("/artifacts", content=drip(), headers=headers)).json()
    answer = await door.get(f"/artifacts/{artifact['id']}")
    assert answer.content == b"hello\r\n--y"


@pytest.fixture
async def small(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve an API that takes uploads of at most 1,000 bytes."""
    async with serve_api(settings.model_copy(update={"ai_max_artifact_bytes": 1000})) as api:
        yield api


async def test_an_upload_of_the_largest_size_fits(small: httpx2.AsyncClient) -> None:
    assert (await upload(small, bytes(1000)))["size"] == 1000
    form = await small.post("/artifacts", files={"file": ("call", bytes(1000))})
    assert form.status_code == 201


async def test_a_larger_upload_is_refused_and_leaves_nothing(
    small: httpx2.AsyncClient, settings: Settings
) -> None:
    raw = await small.post("/artifacts", content=bytes(1001))
    form = await small.post("/artifacts", files={"file": ("call", bytes(1001))})
    for answer in (raw, form):
        assert "1000" in problem_of(answer, 413, "too_large")["detail"]
    assert stored(settings) == []


async def test_a_larger_form_is_refused_before_it_has_come_in(small: httpx2.AsyncClient) -> None:
    host, port = small.base_url.host, small.base_url.port or 80
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(
        f"POST {PREFIX}/artifacts HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode()
    )
    writer.write(PART + bytes(1000))
    async with asyncio.timeout(5):
        assert b" 413 " in await reader.readline()
    writer.transport.abort()


async def test_an_upload_that_breaks_off_leaves_nothing(
    api: httpx2.AsyncClient, settings: Settings
) -> None:
    host, port = api.base_url.host, api.base_url.port or 80
    _, writer = await asyncio.open_connection(host, port)
    writer.write(
        f"POST {PREFIX}/artifacts HTTP/1.1\r\nHost: {host}\r\n"
        "Content-Length: 100000\r\n\r\nfLaC".encode()
    )
    await writer.drain()

    async def begun() -> bool:
        return len(stored(settings)) == 1

    async def gone() -> bool:
        return stored(settings) == []

    await eventually(begun, "the upload has begun")
    writer.transport.abort()
    await eventually(gone, "its part is gone")


async def test_what_a_killed_upload_left_behind_is_removed_in_time(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    for name in ("abandoned", "under way"):
        (incoming / name).write_bytes(b"half of it")
    os.utime(incoming / "abandoned", (0, 0))
    ArtifactStore(engine, tmp_path, max_bytes=10)
    assert [path.name for path in incoming.iterdir()] == ["under way"]
