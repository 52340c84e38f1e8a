"""Reads JSON bodies: bounded in size and depth, with every mistake as a problem."""

import json
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from api.problems import Problem, from_validation

MAX_BYTES = 1 << 20
MAX_DEPTH = 64

_Model = TypeVar("_Model", bound=BaseModel)


async def read_body(request: Request, model: type[_Model]) -> _Model:
    """Read and validate a JSON body.

    Raises:
        Problem: 400 malformed, 413 too_large, 415 unsupported_media_type, 422 invalid.
    """
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise Problem(
            415, "unsupported_media_type", "Send JSON with 'Content-Type: application/json'."
        )
    try:
        return model.model_validate(parse_json(await _read(request)))
    except ValidationError as error:
        raise from_validation(error) from None


def parse_json(text: bytes) -> Any:
    """Parse strictly: no NaN, nothing that can't be written as JSON again, not too deep.

    Raises:
        Problem: 400 malformed.
    """
    try:
        value = json.loads(text)
        canonical_json(value)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        detail = error.msg if isinstance(error, json.JSONDecodeError) else "not a JSON value"
        where = (
            f" at line {error.lineno}, column {error.colno}"
            if isinstance(error, json.JSONDecodeError)
            else ""
        )
        raise Problem(400, "malformed", f"The body is not valid JSON: {detail}{where}.") from None
    _check(value)
    return value


def canonical_json(value: Any) -> bytes:
    """Write a value so that equal values give equal bytes.

    Raises:
        ValueError: It holds an infinite number or half a surrogate pair.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise Problem(413, "too_large", f"A JSON body may have at most {MAX_BYTES} bytes.")
    return bytes(body)


def _check(value: Any) -> None:
    stack = [(value, 1)]
    while stack:
        item, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise _too_deep()
        if isinstance(item, dict):
            stack += [(child, depth + 1) for pair in item.items() for child in pair]
        elif isinstance(item, list):
            stack += [(child, depth + 1) for child in item]
        elif isinstance(item, str) and "\0" in item:
            # CEL and PostgreSQL end a text there.
            raise Problem(400, "malformed", "A text must not contain the character U+0000.")


def _too_deep() -> Problem:
    return Problem(400, "malformed", f"JSON may be nested at most {MAX_DEPTH} levels deep.")
