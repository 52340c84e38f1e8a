"""Errors as RFC 9457 `application/problem+json`, each with a stable `code`."""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from temporalio.service import RPCError, RPCStatusCode

from artifacts.errors import ArtifactError, ArtifactNotFound, ArtifactTooLarge
from connection import TemporalUnreachable
from events.store import ExecutionNotFound, UnknownEventId
from ledger.idempotency import IdempotencyKeyReused
from pipelines.errors import InvalidInput, Mistake, PipelineNotFound, pointer_to

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = "2"  # s

_AWAY = (
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.CANCELLED,
)
_CODES = {400: "malformed", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}

log = structlog.get_logger(__name__)


class Problem(Exception):
    """An answer that is not the one that was asked for."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        mistakes: Sequence[Mistake] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        """Take the HTTP status, the stable code and one plain sentence."""
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.mistakes = mistakes
        self.headers = headers

    def response(self) -> Response:
        """Return the problem document."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        if self.mistakes:
            body["errors"] = [
                {"pointer": mistake.pointer, "message": mistake.message}
                for mistake in self.mistakes
            ]
        return JSONResponse(
            body, status_code=self.status, media_type=MEDIA_TYPE, headers=self.headers
        )


def not_found(what: str = "There is nothing at this address.") -> Problem:
    """Return the answer for what is not there, or is another tenant's."""
    return Problem(404, "not_found", what)


def invalid(mistakes: Sequence[Mistake]) -> Problem:
    """Return the answer for input that does not fit."""
    detail = " ".join(mistake.message for mistake in mistakes)
    return Problem(422, "invalid", detail, mistakes=mistakes)


def from_validation(error: ValidationError) -> Problem:
    """Return the answer for a body that does not have the form; never echoes values."""
    mistakes = []
    for problem in error.errors(include_input=False, include_url=False):
        # pydantic adds this to the path of a key that does not have the form.
        path = [part for part in problem["loc"] if part != "[key]"]
        where = ".".join(map(str, path)) or "body"
        mistakes.append(Mistake(pointer_to(path), f"{where}: {_reason(problem['msg'])}"))
    return invalid(mistakes)


def _from_parameters(error: RequestValidationError) -> Problem:
    """Return the answer for a query or a header that does not have the form."""
    detail = " ".join(
        f"{problem['loc'][-1]}: {_reason(problem['msg'])}" for problem in error.errors()
    )
    return Problem(422, "invalid", detail)


def _reason(message: str) -> str:
    return f"{message.removeprefix('Value error, ')}."


def to_problem(error: Exception) -> Problem:  # noqa: C901, PLR0911, PLR0912 - a table
    """Translate the errors of the rooms below."""
    match error:
        case Problem():
            return error
        case PipelineNotFound():
            return Problem(404, error.code, str(error))
        case RequestValidationError():
            return _from_parameters(error)
        case InvalidInput(mistakes=mistakes):
            return invalid(
                [Mistake(f"/input_data{mistake.pointer}", mistake.message) for mistake in mistakes]
            )
        case ExecutionNotFound():
            return not_found("There is no such execution.")
        case UnknownEventId():
            return Problem(400, "malformed", str(error))
        case IdempotencyKeyReused():
            detail = "This Idempotency-Key was used before with another body. Use a new key."
            return Problem(422, "idempotency_key_reused", detail)
        case ArtifactNotFound():
            return not_found(error.message)
        case ArtifactTooLarge():
            return Problem(413, "too_large", error.message)
        case ArtifactError():
            return Problem(422, "invalid", error.message)
        case RPCError() if error.status == RPCStatusCode.NOT_FOUND:
            return not_found("There is no such execution.")
        case TemporalUnreachable():
            return _away("Temporal")
        case RPCError() if error.status in _AWAY:
            return _away("Temporal")
        case SQLAlchemyError():
            return _away("The database")
    log.error("request failed", exc_info=error)
    return Problem(500, "internal", "Something went wrong here; the log has the details.")


def _away(what: str) -> Problem:
    detail = f"{what} does not answer at the moment. Nothing was started; try again."
    return Problem(503, "unavailable", detail, headers={"Retry-After": RETRY_AFTER})


def install(app: FastAPI) -> None:
    """Answer every error as a problem."""

    async def answer(_request: Request, error: Exception) -> Response:
        return to_problem(error).response()

    async def answer_http(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        if status == HTTPStatus.NOT_FOUND:
            return not_found().response()
        code = _CODES.get(status, "error")
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else None
        return Problem(status, code, f"{HTTPStatus(status).phrase}.", headers=headers).response()

    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        HTTPException: answer_http
    }
    for kind in (
        Problem,
        RequestValidationError,
        PipelineNotFound,
        InvalidInput,
        ExecutionNotFound,
        UnknownEventId,
        IdempotencyKeyReused,
        ArtifactError,
        RPCError,
        SQLAlchemyError,
        TemporalUnreachable,
        Exception,
    ):
        handlers[kind] = answer
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
