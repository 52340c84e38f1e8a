"""Uploads."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from starlette.datastructures import UploadFile

from api.context import ServicesOf, Tenant
from api.problems import Problem
from api.schemas import PREFIX, ArtifactAnswer

_CHUNK = 1 << 16

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
async def download(artifact_id: str, services: ServicesOf, tenant: Tenant) -> FileResponse:
    """Return the content; honours `Range`."""
    artifact = await services.artifacts.get(tenant, artifact_id)
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


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(_CHUNK):
        yield chunk
