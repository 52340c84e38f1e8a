"""Uploads.

A form is read as it comes and its file handed on piece by piece: nothing of an upload is kept but
what the store has taken, and the store stops at its own limit.
"""

import re
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.context import ServicesOf, Tenant
from api.etags import is_known
from api.problems import Problem
from api.schemas import PREFIX, PROBLEMS, ArtifactAnswer

_SPAN = re.compile(r"(\d{1,18})-(\d{0,18})|-(\d{1,18})")
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"*/*": _BINARY}},
    206: {"description": "The range that was asked for.", "content": {"*/*": _BINARY}},
    304: {"description": "The content is the one of If-None-Match."},
}

router = APIRouter(prefix=f"{PREFIX}/artifacts", tags=["artifacts"], responses=PROBLEMS)


@router.post(
    "",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "properties": {"file": _BINARY["schema"]},
                        "required": ["file"],
                    }
                },
                "application/octet-stream": _BINARY,
            },
        }
    },
)
async def upload(
    request: Request, response: Response, services: ServicesOf, tenant: Tenant
) -> ArtifactAnswer:
    """Store a file: the multipart field `file`, or the raw body."""
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        file = _FormFile(request)
        await file.find()
        artifact = await services.artifacts.put(tenant, file.content(), file.media_type)
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


@router.head("/{artifact_id}", response_model=None, include_in_schema=False)
@router.get("/{artifact_id}", response_model=None, response_class=FileResponse, responses=_CONTENT)
async def download(
    artifact_id: str, request: Request, services: ServicesOf, tenant: Tenant
) -> Response:
    """Return the content; honours `Range` and `If-None-Match`."""
    artifact = await services.artifacts.get(tenant, artifact_id)
    etag = f'"{artifact.sha256}"'
    if is_known(request, etag):
        return Response(status_code=304, headers={"ETag": etag})
    _check_range(request, artifact.size, etag)
    return FileResponse(
        services.artifacts.path(artifact),
        media_type=artifact.media_type,
        # An upload is never shown as a page of ours.
        headers={
            "ETag": etag,
            "X-Content-Type-Options": "nosniff",
            "Content-Disposition": "attachment",
        },
    )


@router.delete("/{artifact_id}", status_code=204)
async def delete(artifact_id: str, services: ServicesOf, tenant: Tenant) -> None:
    """Delete the artifact."""
    await services.artifacts.delete(tenant, artifact_id)


def _check_range(request: Request, size: int, etag: str) -> None:
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
        return
    empty = any(span and span[3] and not int(span[3]) for span in found)
    beyond = any(first >= size for first, _ in bounds)
    if (empty or beyond) and request.headers.get("If-Range", etag) == etag:
        detail = f"The range holds no byte of the content: there are {size}."
        headers = {"Content-Range": f"bytes */{size}"}
        raise Problem(416, "range_not_satisfiable", detail, headers=headers)


class _FormFile:
    """The file in the field `file` of a form that is coming in; any other file is refused.

    Attributes:
        media_type: What the uploader says of it, once it was found.
    """

    def __init__(self, request: Request) -> None:
        self.media_type: str | None = None
        self._body = request.stream()
        self._headers: dict[bytes, bytes] = {}
        self._name, self._value = b"", b""
        self._found = self._inside = self._ended = False
        self._pieces: list[bytes] = []
        _, options = parse_options_header(request.headers["Content-Type"])
        boundary = options.get(b"boundary")
        if not boundary:
            raise _malformed("its Content-Type has no boundary")
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._headers.clear,
                    "on_header_field": self._on_name,
                    "on_header_value": self._on_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_part,
                    "on_part_data": self._on_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError:
            raise _malformed("its boundary is too long") from None

    async def find(self) -> None:
        """Read up to the file.

        Raises:
            Problem: 400 when it is no form, 422 when it has no such file.
        """
        while not self._found and await self._read():
            pass
        if not self._found:
            raise Problem(422, "invalid", "The form has no file in the field 'file'.")

    async def content(self) -> AsyncIterator[bytes]:
        """Yield the file.

        Raises:
            Problem: 400 when the form is broken, or has another file.
        """
        going_on = True
        while going_on:
            for piece in self._pieces:
                yield piece
            self._pieces.clear()
            going_on = await self._read()

    async def _read(self) -> bool:
        chunk = await anext(self._body, b"")
        if not chunk:
            if not self._ended:
                raise _malformed("it ends before its last boundary")
            return False
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise _malformed("it does not follow its boundary") from None
        return True

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name, self._value = b"", b""

    def _on_part(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        if b"filename" not in options:
            return
        if self._found:
            raise _malformed("it has more than one file")
        if options.get(b"name") == b"file":
            self._found = self._inside = True
            self.media_type = self._headers.get(b"content-type", b"").decode("latin-1") or None

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._pieces.append(data[start:end])

    def _on_part_end(self) -> None:
        self._inside = False

    def _on_end(self) -> None:
        self._ended = True


def _malformed(reason: str) -> Problem:
    detail = f"The form can't be read: {reason}. Send one file, in the field 'file'."
    return Problem(400, "malformed", detail)
