"""What a definition may not exceed, may not be called, and can't ask for yet."""

from collections.abc import Mapping
from typing import Any

from pipelines import document, support
from pipelines.checking import cel_tokens, input_schemas, located_templates, shape, uses
from pipelines.errors import InvalidDefinition
from pipelines.model import MAX_STEPS, PipelineDefinition
from pipelines.reference.tables import table
from pipelines.vocabulary import RESERVED, vocabulary_of
from providers.types import Capability

_BOUNDS = {
    "steps": MAX_STEPS,
    "characters of a document": document.MAX_BYTES,
    "values of a document, an alias counted as all that it stands for": document.MAX_VALUES,
    "levels of a document": document.MAX_DEPTH,
    "characters of one key": document.MAX_KEY,
    "characters of one text": shape.MAX_TEXT,
    "characters of one expression": located_templates.MAX_LENGTH,
    "words and signs of one expression": cel_tokens.MAX_TOKENS,
    "brackets within one another in an expression": cel_tokens.MAX_DEPTH,
    "`all`, `exists`, `exists_one`, `filter` and `map` within one another": (
        cel_tokens.MAX_NESTED_MACROS
    ),
    "expressions of a definition": uses.MAX_EXPRESSIONS,
    "words and signs of all its expressions": uses.MAX_TOKENS,
    "characters of all its expressions": uses.MAX_CHARACTERS,
    "characters of all patterns of `input_schema`": input_schemas.MAX_PATTERN_CHARACTERS,
    "references in `input_schema`": input_schemas.MAX_REFERENCES,
}
# A definition that says everything that a version may not do yet.
_EVERYTHING: Mapping[str, Any] = {
    "name": "everything",
    "max_cost_usd": "1",
    "on_budget_exceeded": "pause",
    "steps": [
        {"name": "a", "capability": Capability.SUMMARIZATION},
        {"name": "b", "capability": Capability.SUMMARIZATION},
        {
            "name": "c",
            "capability": Capability.SUMMARIZATION,
            "needs": ["a"],
            "for_each": "[1]",
            "compensate": "delete_artifact",
        },
    ],
}

_NOT_YET = {
    "needs": " that names anything but the step before",
    "on_budget_exceeded": " other than `fail`",
}


class _Nobody:
    nameable: Mapping[str, frozenset[Capability]] = {}


def bounds() -> str:
    """Return what a definition may hold at most."""
    return table(["at most", "of these"], [[f"{most:,}", what] for what, most in _BOUNDS.items()])


def reserved_words() -> str:
    """Return the words that are no names."""
    return " ".join(f"`{word}`" for word in sorted(RESERVED))


def compensations() -> str:
    """Return the registered compensations."""
    names = sorted(vocabulary_of(_Nobody()).compensations)
    return "\n".join(f"- `{name}`" for name in names) or "This version has none."


def not_yet() -> str:
    """Return the settings that are refused because nothing would heed them."""
    try:
        support.check_supported(PipelineDefinition.model_validate(_EVERYTHING))
    except InvalidDefinition as error:
        settings = (mistake.pointer.rpartition("/")[2] for mistake in error.mistakes)
        return "\n".join(f"- `{setting}`{_NOT_YET.get(setting, '')}" for setting in settings)
    return "Nothing: all that stands on this page is done."
