"""Check and register definitions, return them, and say what one looks like."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response

from api.bodies import read_bytes
from api.context import ServicesOf, Tenant
from api.etags import is_known
from api.problems import Problem
from api.schemas import PREFIX, PROBLEMS, DefinitionMistake, ValidationAnswer
from pipelines.check import check_document
from pipelines.document import Document, read_json, read_yaml
from pipelines.errors import InvalidDefinition, Mistake, TooDeep
from pipelines.model import Name, PipelineDefinition, Version
from pipelines.schema import definition_schema
from pipelines.text import to_json, to_yaml
from pipelines.vocabulary import Vocabulary, vocabulary_of

# RFC 9512, and before it
_YAML = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")
_WEIGHT = re.compile(r"q=([01](?:\.\d{0,3})?)")
_DEFAULT_VERSION: str = PipelineDefinition.model_fields["version"].default

_AS_TEXT = {"application/yaml": {"schema": {"type": "string"}}}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/PipelineDefinition"}},
            **_AS_TEXT,
        },
    }
}
_DEFINITION = {"model": PipelineDefinition, "content": _AS_TEXT}
_FOUND: dict[int | str, dict[str, Any]] = {
    200: _DEFINITION | {"description": "The definition, with an `ETag`; YAML where `Accept` asks."},
    304: {"description": "The definition is the one of `If-None-Match`."},
}
_KEPT: dict[int | str, dict[str, Any]] = {
    200: _DEFINITION | {"description": "It is there already."},
    201: _DEFINITION | {"description": "It is new; `Location` says where it is."},
}

router = APIRouter(prefix=PREFIX, tags=["definitions"], responses=PROBLEMS)


@router.get("/schema")
async def get_schema() -> dict[str, Any]:
    """Return the JSON Schema of a definition."""
    return definition_schema()


@router.post("/validate", openapi_extra=_BODY)
async def validate(request: Request, services: ServicesOf) -> ValidationAnswer:
    """Check a definition, in JSON or YAML, without running it."""
    try:
        check_document(await _read(request), vocabulary_of(services.registry))
    except InvalidDefinition as error:
        mistakes = [DefinitionMistake(**asdict(mistake)) for mistake in error.mistakes]
        return ValidationAnswer(valid=False, errors=mistakes)
    return ValidationAnswer(valid=True, errors=[])


@router.put(
    "/definitions/{name}/{version}",
    status_code=201,
    response_model=None,
    responses=_KEPT,
    openapi_extra=_BODY,
)
async def register(
    name: Name, version: Version, request: Request, services: ServicesOf, tenant: Tenant
) -> Response:
    """Keep a definition, in JSON or YAML, under its name and version, for ever."""
    document = await _readable(request)
    definition = _checked(document, name, version, vocabulary_of(services.registry))
    kept, is_new = await services.catalogue.register(tenant, definition)
    answer = _answer(request, kept)
    if is_new:
        answer.status_code = 201
        answer.headers["Location"] = f"{PREFIX}/definitions/{name}/{version}"
    return answer


@router.get("/definitions/{name}", response_model=None, responses=_FOUND)
async def get_newest(name: str, request: Request, services: ServicesOf, tenant: Tenant) -> Response:
    """Return the newest release of a definition; a pre-release where there is no release."""
    return _answer_unless_known(request, await services.catalogue.get(tenant, name))


@router.get("/definitions/{name}/{version}", response_model=None, responses=_FOUND)
async def get_version(
    name: str, version: str, request: Request, services: ServicesOf, tenant: Tenant
) -> Response:
    """Return a definition."""
    return _answer_unless_known(request, await services.catalogue.get(tenant, name, version))


def _answer_unless_known(request: Request, definition: PipelineDefinition) -> Response:
    answer = _answer(request, definition)
    if not is_known(request, answer.headers["ETag"]):
        return answer
    kept = {name: answer.headers[name] for name in ("ETag", "Vary")}
    return Response(status_code=304, headers=kept)


def _answer(request: Request, definition: PipelineDefinition) -> Response:
    """Write a definition in the form that the caller asks for.

    Raises:
        NotExportable: A setting of a step is a Python function.
    """
    as_yaml = _wants_yaml(",".join(request.headers.getlist("Accept")))
    body = (to_yaml if as_yaml else to_json)(definition).encode()
    return Response(
        body,
        media_type="application/yaml" if as_yaml else "application/json",
        headers={"ETag": f'"{hashlib.sha256(body).hexdigest()}"', "Vary": "Accept"},
    )


def _wants_yaml(accept: str) -> bool:
    """Tell whether YAML is named with a greater weight than JSON; a wildcard names neither."""
    weights: dict[str, float] = {}
    for choice in accept.lower().split(","):
        media_type, *parameters = (part.strip() for part in choice.split(";"))
        given = filter(None, map(_WEIGHT.fullmatch, parameters))
        weights[media_type] = next((float(weight[1]) for weight in given), 1.0)
    return max(weights.get(name, 0) for name in _YAML) > weights.get("application/json", 0)


def _checked(
    document: Document, name: str, version: str, vocabulary: Vocabulary
) -> PipelineDefinition:
    """Check a document as a whole, and that it is what the address says.

    Raises:
        InvalidDefinition: Lists every mistake with its place.
    """
    definition, mistakes = None, tuple[Mistake, ...]()
    try:
        definition = check_document(document, vocabulary)
    except InvalidDefinition as error:
        mistakes = error.mistakes
    told = {mistake.pointer for mistake in mistakes}
    others = [other for other in _misplaced(document, name, version) if other.pointer not in told]
    if definition is None or others:
        raise InvalidDefinition([*others, *mistakes])
    return definition


def _misplaced(document: Document, name: str, version: str) -> Iterator[Mistake]:
    value = document.value if isinstance(document.value, dict) else {}
    if (found := value.get("name", name)) != name:
        message = f"'name' must be '{name}', as in the address; found '{found}'."
        yield document.locate(Mistake("/name", message))
    if (found := value.get("version", _DEFAULT_VERSION)) != version:
        absent = "" if "version" in value else " by default"
        message = f"'version' must be '{version}', as in the address; found '{found}'{absent}."
        yield document.locate(Mistake("/version", message))


async def _readable(request: Request) -> Document:
    """Read the document of a body that must hold one.

    Raises:
        Problem: 400 malformed, besides those of `_read`.
    """
    try:
        return await _read(request)
    except InvalidDefinition as error:
        raise Problem(400, "malformed", str(error), mistakes=error.mistakes) from None


async def _read(request: Request) -> Document:
    """Read a document in JSON or YAML.

    Raises:
        InvalidDefinition: It can't be read.
        Problem: 400 malformed, 413 too_large, 415 unsupported_media_type.
    """
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    reader = read_yaml if media_type in _YAML else read_json
    if reader is read_json and media_type != "application/json":
        detail = "Send a definition as 'application/json' or 'application/yaml'."
        raise Problem(415, "unsupported_media_type", detail)
    try:
        text = (await read_bytes(request)).decode()
    except UnicodeDecodeError:
        raise Problem(400, "malformed", "The body is not text in UTF-8.") from None
    try:
        return reader(text)
    except TooDeep as error:
        if reader is read_yaml:
            raise
        raise Problem(400, "malformed", str(error)) from None
