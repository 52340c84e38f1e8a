"""Errors as RFC 9457 `application/problem+json`, each with a stable `code`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from temporalio.service import RPCError, RPCStatusCode

from api.schemas import FORMS, PROBLEM_TYPE, ProblemBody
from artifacts.errors import ArtifactError, ArtifactNotFound, ArtifactTooLarge
from connection import TemporalUnreachable
from events.store import ExecutionNotFound, UnknownEventId
from ledger.database import is_passing
from ledger.errors import BudgetExceeded
from ledger.idempotency import IdempotencyKeyReused
from pipelines.errors import (
    DefinitionExists,
    InvalidDefinition,
    InvalidInput,
    Mistake,
    NotExportable,
    PipelineNotFound,
    pointer_to,
)
from pipelines.inputs import MOST_MISTAKES, named, unknown_key

RETRY_AFTER = "2"  # s

_AWAY = (
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.CANCELLED,
)
_RULES = {
    "missing": "is required",
    "model_type": "must be a JSON object",
    "dict_type": "must be an object",
    "list_type": "must be an array",
    "string_type": "must be a string",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "may have at most {max_length} characters",
    "too_short": "must have at least {min_length} entries",
    "too_long": "may have at most {max_length} entries",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "decimal_type": "must be a decimal number",
    "decimal_parsing": "must be a decimal number",
    "decimal_max_places": "may have at most {decimal_places} decimal places",
    "finite_number": "must be a finite number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "may be at most {le:g}",
    "enum": "must be one of {expected}",
    "literal_error": "must be one of {expected}",
    "value_error": "{error}",
}
"""What a type of pydantic's errors asks for, as the rest of a sentence; {} is of its context."""
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
        members: Mapping[str, Any] | None = None,
    ) -> None:
        """Take the HTTP status, the stable code, one plain sentence, and what else it tells."""
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.mistakes = mistakes
        self.headers = headers
        self.members = members or {}

    def response(self) -> Response:
        """Return the problem document."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.members,
        }
        if self.mistakes:
            body["errors"] = [_located(mistake) for mistake in self.mistakes]
        return JSONResponse(
            body, status_code=self.status, media_type=PROBLEM_TYPE, headers=self.headers
        )


def _located(mistake: Mistake) -> dict[str, Any]:
    written = {"pointer": mistake.pointer, "message": mistake.message}
    if mistake.line is None:
        return written
    return written | {"line": mistake.line, "column": mistake.column}


def not_found(what: str = "There is nothing at this address.") -> Problem:
    """Return the answer for what is not there, or is another tenant's."""
    return Problem(404, "not_found", what)


def invalid(mistakes: Sequence[Mistake]) -> Problem:
    """Return the answer for input that does not fit."""
    detail = " ".join(mistake.message for mistake in mistakes)
    return Problem(422, "invalid", detail, mistakes=mistakes)


def budget_exceeded(error: BudgetExceeded, estimated_cost_usd: Decimal | None) -> Problem:
    """Return the answer for a run that the tenant's money does not allow."""
    figures = {
        "limit_usd": error.limit_usd,
        "spent_usd": error.spent_usd,
        "reserved_usd": error.reserved_usd,
        "estimated_cost_usd": estimated_cost_usd,
    }
    return Problem(
        402,
        error.code,
        str(error),
        members={name: None if usd is None else f"{usd:f}" for name, usd in figures.items()}
        | {"resets_at": f"{error.resets_at:%Y-%m-%dT%H:%M:%SZ}"},
    )


def from_validation(error: ValidationError, model: type[BaseModel]) -> Problem:
    """Return the answer for a body that does not have the form; never echoes values."""
    mistakes = []
    for problem in error.errors(include_input=False, include_url=False)[:MOST_MISTAKES]:
        # pydantic adds this to the path of a key that does not have the form.
        path = [part for part in problem["loc"] if part != "[key]"]
        if problem["type"] == "extra_forbidden" and len(path) == 1:
            message = unknown_key(str(path[0]), model.model_fields)
        else:
            name = named(path, "The body")
            key = "The key " if len(path) < len(problem["loc"]) else ""
            message = f"{key}{name} {_rule(problem['type'], problem.get('ctx', {}))}."
        mistakes.append(Mistake(pointer_to(path), message))
    return invalid(mistakes)


def _from_parameters(error: RequestValidationError) -> Problem:
    """Return the answer for a query or a header that does not have the form."""
    detail = " ".join(
        f"{named(problem['loc'][1:], 'The request')} "
        f"{_rule(problem['type'], problem.get('ctx', {}))}."
        for problem in error.errors()
    )
    return Problem(422, "invalid", detail)


def _rule(kind: str, context: dict[str, Any]) -> str:
    if context.get("pattern") in FORMS:
        return f"takes {FORMS[context['pattern']]}"
    if context.get("min_length") == 1:
        return "must not be empty"
    return _RULES.get(kind, "does not have the right form").format(**context)


def to_problem(error: Exception) -> Problem:  # noqa: C901, PLR0911, PLR0912 - a table
    """Translate the errors of the rooms below."""
    match error:
        case Problem():
            return error
        case PipelineNotFound():
            return Problem(404, error.code, str(error))
        case DefinitionExists():
            return Problem(409, error.code, str(error))
        case NotExportable():
            return Problem(406, error.code, str(error))
        case RequestValidationError():
            return _from_parameters(error)
        case InvalidDefinition(mistakes=mistakes):
            return invalid(mistakes)
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
        case SQLAlchemyError() if is_passing(error):
            log.warning("database unavailable", error=str(error))
            return _away("The database")
    log.error("request failed", exc_info=error)
    return Problem(500, "internal", "Something went wrong here; the log has the details.")


def _away(what: str) -> Problem:
    detail = (
        f"{what} does not answer at the moment. Try again; "
        "with an Idempotency-Key nothing starts twice."
    )
    return Problem(503, "unavailable", detail, headers={"Retry-After": RETRY_AFTER})


def install(app: FastAPI) -> None:
    """Answer every error as a problem."""

    async def answer(_request: Request, error: Exception) -> Response:
        return to_problem(error).response()

    async def answer_http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        if status == HTTPStatus.NOT_FOUND:
            return not_found().response()
        code = _CODES.get(status, "error")
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = _methods_at(request)
            detail = f"There is no {request.method} here, only {allowed}."
            return Problem(status, code, detail, headers={"Allow": allowed}).response()
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else None
        return Problem(status, code, f"{HTTPStatus(status).phrase}.", headers=headers).response()

    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        HTTPException: answer_http
    }
    for kind in (
        Problem,
        RequestValidationError,
        PipelineNotFound,
        DefinitionExists,
        NotExportable,
        InvalidDefinition,
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
    app.openapi = lambda: _description(app)  # type: ignore[method-assign] # as FastAPI's manual does


def _methods_at(request: Request) -> str:
    """List the methods of the request's path; the framework names those of one route only."""
    path = request.scope["path"]
    routes = [
        route
        for route in iter_route_contexts(request.app.routes)
        if route.methods and route.path_regex.match(path)
    ]
    # A path with a fixed name also has the form of one with an execution's id: the first counts.
    methods = {
        method
        for route in routes
        if route.path_format == routes[0].path_format
        for method in route.methods or ()
    }
    return ", ".join(sorted(methods))


def _description(app: FastAPI) -> dict[str, Any]:
    """Describe the API, with the one schema of all problems (see `schemas.PROBLEMS`)."""
    description = FastAPI.openapi(app)
    schema = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = description["components"]["schemas"]
    schemas |= schema.pop("$defs") | {"ProblemBody": schema}
    return description
