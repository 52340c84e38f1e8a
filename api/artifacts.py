"""Uploads."""

import re
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from starlette.datastructures import UploadFile

from api.context import ServicesOf, Tenant
from api.problems import Problem
from api.schemas import PREFIX, ArtifactAnswer

_CHUNK = 1 << 16
_SPAN = re.compile(r"(\d{1,18})-(\d{0,18})|-\d{1,18}")

router = APIRouter(prefix=f"{PREFIX}/artifacts", tags=["artifacts"])


@router.post("", status_code=201)
async def upload(
    request: Request, response: Response, services: ServicesOf, tenant: Tenant
) -> ArtifactAnswer:
    """Store a file: the multipart field `file`, or the raw body."""
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        async with request.form(max_files=1) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise Problem(422, "invalid", "The form has no file in the field 'file'.")
            artifact = await services.artifacts.put(tenant, _chunks(file), file.content_type)
    else:
        artifact = await services.artifacts.put(tenant, request.stream(), media_type or None)
    response.headers["Location"] = f"{PREFIX}/artifacts/{artifact.id}"
    return ArtifactAnswer(
        artifact_url=artifact.url,
        id=artifact.id,
        size=artifact.size,
        sha256=artifact.sha256,
        media_type=artifact.media_type,
    )


@router.get("/{artifact_id}", response_model=None)
async def download(
    artifact_id: str, request: Request, services: ServicesOf, tenant: Tenant
) -> FileResponse:
    """Return the content; honours `Range`."""
    artifact = await services.artifacts.get(tenant, artifact_id)
    _check_range(request, artifact.size)
    return FileResponse(
        services.artifacts.path(artifact),
        media_type=artifact.media_type,
        # An upload is never shown as a page of ours.
        headers={
            "ETag": f'"{artifact.sha256}"',
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": "attachment",
        },
    )


@router.delete("/{artifact_id}", status_code=204)
async def delete(artifact_id: str, services: ServicesOf, tenant: Tenant) -> None:
    """Delete the artifact."""
    await services.artifacts.delete(tenant, artifact_id)


def _check_range(request: Request, size: int) -> None:
    """Refuse a range beyond the end, and ignore one that has not the form (RFC 9110, 14.2).

    Starlette would answer both itself, in plain text.

    Raises:
        Problem: 416.
    """
    unit, _, spans = request.headers.get("Range", "").partition("=")
    found = [_SPAN.fullmatch(span.strip()) for span in spans.split(",")]
    bounds = [(int(span[1]), int(span[2] or span[1])) for span in found if span and span[1]]
    if unit != "bytes" or None in found or any(first > last for first, last in bounds):
        headers = request.scope["headers"]
        request.scope["headers"] = [pair for pair in headers if pair[0] != b"range"]
    elif "If-Range" not in request.headers and any(first >= size for first, _ in bounds):
        detail = f"The range begins after the end: there are {size} bytes."
        headers = {"Content-Range": f"bytes */{size}"}
        raise Problem(416, "range_not_satisfiable", detail, headers=headers)


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(_CHUNK):
        yield chunk
