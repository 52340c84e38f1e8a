"""Check definitions, and say what one looks like."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request

from api.bodies import read_bytes
from api.context import ServicesOf
from api.problems import Problem
from api.schemas import PREFIX, PROBLEMS, DefinitionMistake, ValidationAnswer
from pipelines.check import check_document
from pipelines.document import Document, read_json, read_yaml
from pipelines.errors import InvalidDefinition
from pipelines.schema import definition_schema
from pipelines.vocabulary import Vocabulary
from providers.builtin import NAMEABLE
from providers.registry import CapabilityRegistry

_YAML = ("application/yaml", "application/x-yaml", "text/yaml")  # RFC 9512, and before it

router = APIRouter(prefix=PREFIX, tags=["definitions"], responses=PROBLEMS)


@router.get("/schema")
async def get_schema() -> dict[str, Any]:
    """Return the JSON Schema of a definition."""
    return definition_schema()


@router.post(
    "/validate",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "application/yaml": {"schema": {"type": "string"}},
            },
        }
    },
)
async def validate(request: Request, services: ServicesOf) -> ValidationAnswer:
    """Check a definition, in JSON or YAML, without running it."""
    try:
        check_document(await _read(request), vocabulary_of(services.registry))
    except InvalidDefinition as error:
        mistakes = [DefinitionMistake(**asdict(mistake)) for mistake in error.mistakes]
        return ValidationAnswer(valid=False, errors=mistakes)
    return ValidationAnswer(valid=True, errors=[])


def vocabulary_of(registry: CapabilityRegistry) -> Vocabulary:
    """Return the names that a definition may use here."""
    providers = dict(NAMEABLE)
    for offer in registry.offers:
        known = providers.get(offer.provider, frozenset())
        providers[offer.provider] = known | {offer.capability}
    return Vocabulary(providers=providers, compensations=frozenset())


async def _read(request: Request) -> Document:
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    reader = read_yaml if media_type in _YAML else read_json
    if reader is read_json and media_type != "application/json":
        detail = "Send a definition as 'application/json' or 'application/yaml'."
        raise Problem(415, "unsupported_media_type", detail)
    try:
        text = (await read_bytes(request)).decode()
    except UnicodeDecodeError:
        raise Problem(400, "malformed", "The body is not text in UTF-8.") from None
    return reader(text)
