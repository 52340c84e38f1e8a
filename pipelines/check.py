"""Checks a definition as a whole before it runs, and tells every mistake at once.

Form and meaning are looked at apart. The form (keys, types, bounds) is the model's; the meaning
(names, order, expressions, requests) is looked at in whatever has the right form, so that one
misspelt key doesn't hide the rest.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from pipelines.checking.findings import MAX_FOUND, Finding, report
from pipelines.checking.meaning import meaning_findings
from pipelines.checking.shape import odd_values, parse
from pipelines.document import Document
from pipelines.errors import InvalidDefinition, Mistake
from pipelines.model import MAX_STEPS, PipelineDefinition
from pipelines.vocabulary import Vocabulary


def check_document(document: Document, vocabulary: Vocabulary | None = None) -> PipelineDefinition:
    """Check a document and return the definition that it holds.

    Args:
        document: What was read from YAML or JSON.
        vocabulary: Which providers and compensations there are; absent, their names aren't checked.

    Raises:
        InvalidDefinition: It can never run. Lists every mistake with its place.
    """
    value = document.value
    if odd := [*islice(odd_values(value), MAX_FOUND)]:
        raise InvalidDefinition(report(odd, document))
    parsed = parse(value, PipelineDefinition)
    of_the_form = [*(parsed if isinstance(parsed, list) else ()), *_functions(value)]
    mistakes = report(_with_meaning(value, of_the_form, vocabulary), document)
    if mistakes or not isinstance(parsed, PipelineDefinition):
        raise InvalidDefinition(mistakes)
    return parsed


def check_definition(definition: PipelineDefinition, vocabulary: Vocabulary | None = None) -> None:
    """Check a definition that was built in code.

    Args:
        definition: Its form is right already.
        vocabulary: Which providers and compensations there are; absent, their names aren't checked.

    Raises:
        InvalidDefinition: It can never run. Lists every mistake.
    """
    value = definition.model_dump(mode="json", exclude_defaults=True)
    odd = [*islice(odd_values(value), MAX_FOUND)]
    if mistakes := report(odd or meaning_findings(value, vocabulary), Document(value)):
        raise InvalidDefinition(mistakes)


def define(fields: dict[str, Any]) -> PipelineDefinition:
    """Make a definition from what code has collected: the form is checked with the meaning.

    Args:
        fields: As in a document; a step may also say in `code` which settings are functions.

    Raises:
        InvalidDefinition: It can never run. Lists every mistake.
    """
    try:
        value = to_jsonable_python(fields, inf_nan_mode="constants")
    except (PydanticSerializationError, ValueError) as error:
        raise InvalidDefinition([Mistake("", f"A definition holds JSON only: {error}.")]) from error
    if odd := [*islice(odd_values(value), MAX_FOUND)]:
        raise InvalidDefinition(report(odd, Document(value)))
    parsed = parse(value, PipelineDefinition)
    of_the_form = parsed if isinstance(parsed, list) else []
    mistakes = report(_with_meaning(value, of_the_form, None), Document(value))
    if mistakes or not isinstance(parsed, PipelineDefinition):
        raise InvalidDefinition(mistakes)
    return parsed


def _with_meaning(
    value: Any, of_the_form: list[Finding], vocabulary: Vocabulary | None
) -> Iterator[Finding]:
    yield from of_the_form
    if isinstance(value, dict) and not _has_too_many_steps(value):
        known = {finding.path for finding in of_the_form}
        yield from (one for one in meaning_findings(value, vocabulary) if one.path not in known)


def _has_too_many_steps(value: dict[str, Any]) -> bool:
    steps = value.get("steps")
    return isinstance(steps, list) and len(steps) > MAX_STEPS


def _functions(value: Any) -> Iterator[Finding]:
    """Refuse the setting that names Python functions: only the builder writes it."""
    steps = value.get("steps") if isinstance(value, dict) else None
    for index, step in enumerate(steps if isinstance(steps, list) else []):
        if isinstance(step, dict) and "code" in step:
            yield Finding(
                ("steps", index, "code"),
                "Unknown key 'code'. Python functions exist only in pipelines defined in code.",
                at_key=True,
            )
