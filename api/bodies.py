"""Reads JSON bodies: bounded in size and depth, with every mistake as a problem."""

import json
import math
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from api.problems import Problem, from_validation
from pipelines.errors import Mistake, pointer_to
from pipelines.inputs import named

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
        return model.model_validate(parse_json(await read_bytes(request)))
    except ValidationError as error:
        raise from_validation(error, model) from None


def parse_json(text: bytes) -> Any:
    """Parse strictly: no NaN, nothing that can't be written as JSON again, not too deep.

    Raises:
        Problem: 400 malformed.
    """
    try:
        value = json.loads(
            text, parse_constant=_no_constant, parse_float=_float, parse_int=_integer
        )
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError:
        raise Problem(400, "malformed", "The body is not text in UTF-8.") from None
    except json.JSONDecodeError as error:
        detail = (
            f"The body is not valid JSON from line {error.lineno}, column {error.colno} on: "
            f"{error.msg.removesuffix(' at')}."
        )
        raise Problem(400, "malformed", detail) from None
    _check(value)
    return value


@dataclass(frozen=True, slots=True)
class _Unreadable:
    """Stands for a number that can't be kept, until the place where it stands is known."""

    reason: str


def _no_constant(name: str) -> _Unreadable:
    return _Unreadable(f"is {name}, which is not a JSON value")


def _float(text: str) -> float | _Unreadable:
    number = float(text)
    return number if math.isfinite(number) else _Unreadable("is too large a number")


def _integer(text: str) -> int | _Unreadable:
    try:
        return int(text)
    except ValueError:  # Python reads no more than 4,300 digits.
        return _Unreadable("is a number of too many digits")


def canonical_json(value: Any) -> bytes:
    """Write a value so that equal values give equal bytes.

    Raises:
        ValueError: It holds an infinite number or half a surrogate pair.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


async def read_bytes(request: Request) -> bytes:
    """Read a body that is no upload.

    Raises:
        Problem: 413 too_large.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise Problem(413, "too_large", f"A JSON body may have at most {MAX_BYTES} bytes.")
    return bytes(body)


def _check(value: Any) -> None:
    stack: list[tuple[Any, tuple[str | int, ...]]] = [(value, ())]
    while stack:
        item, path = stack.pop()
        if len(path) >= MAX_DEPTH:
            raise _too_deep()
        if isinstance(item, dict):
            for key, child in item.items():
                _check_text(key, path, "A key of ")
                stack.append((child, (*path, key)))
        elif isinstance(item, list):
            stack += [(child, (*path, place)) for place, child in enumerate(item)]
        elif isinstance(item, str):
            _check_text(item, path)
        elif isinstance(item, _Unreadable):
            raise _malformed(path, item.reason)


def _check_text(text: str, path: tuple[str | int, ...], what: str = "") -> None:
    if "\0" in text:
        # CEL and PostgreSQL end a text there.
        raise _malformed(path, "must not contain the character U+0000", what)
    try:
        text.encode()
    except UnicodeEncodeError:
        reason = "holds half of a surrogate pair (U+D800 to U+DFFF), which is not a character"
        raise _malformed(path, reason, what) from None


def _malformed(path: tuple[str | int, ...], reason: str, what: str = "") -> Problem:
    whole = "the body" if what else "The body"
    message = f"{what}{named(path, whole)} {reason}."
    return Problem(400, "malformed", message, mistakes=[Mistake(pointer_to(path), message)])


def _too_deep() -> Problem:
    return Problem(400, "malformed", f"JSON may be nested at most {MAX_DEPTH} levels deep.")
