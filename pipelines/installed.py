"""Definitions that installed packages bring, under the entry point group `perdure.pipelines`."""

from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from extensions import Extension, describe, load_extensions
from pipelines.check import check_definition
from pipelines.errors import InvalidDefinition
from pipelines.model import PipelineDefinition
from pipelines.vocabulary import Vocabulary

GROUP = "perdure.pipelines"
_EXPECTED = (
    "expected a PipelineDefinition, which Pipeline(…).build() returns, an iterable of them, "
    "or a module that has some"
)


def load_installed(
    vocabulary: Vocabulary | None,
) -> Sequence[tuple[Extension, PipelineDefinition]]:
    """Collect the definitions of installed packages, each with where it comes from.

    Raises:
        SettingsError: An import fails, there is something else than definitions, or one of them
            can never run: names package, entry point and every mistake.
    """
    found = []
    for extension in load_extensions(GROUP):
        for definition in _definitions_of(extension):
            _check(extension, definition, vocabulary)
            found.append((extension, definition))
    return found


def _definitions_of(extension: Extension) -> Sequence[PipelineDefinition]:
    values = _values_of(extension)
    for value in values:
        if not isinstance(value, PipelineDefinition):
            raise extension.unusable(f"holds something of type {type(value).__name__}: {_EXPECTED}")
    if not values:
        raise extension.unusable(f"holds no pipeline: {_EXPECTED}")
    return values


def _values_of(extension: Extension) -> Sequence[Any]:
    match extension.value:
        case PipelineDefinition() as definition:
            return [definition]
        case ModuleType() as module:
            public = [value for name, value in vars(module).items() if not name.startswith("_")]
            return [value for value in public if isinstance(value, PipelineDefinition)]
        case str() | bytes():
            return [extension.value]
        case Iterable() as values:
            try:
                return list(values)
            except Exception as error:
                raise extension.unusable(f"can't be read ({describe(error)})") from error
        case _:
            return [extension.value]


def _check(
    extension: Extension, definition: PipelineDefinition, vocabulary: Vocabulary | None
) -> None:
    try:
        check_definition(definition, vocabulary)
    except InvalidDefinition as error:
        mistakes = "; ".join(f"{mistake.pointer}: {mistake.message}" for mistake in error.mistakes)
        raise extension.unusable(
            f"holds {definition.id}, which can never run ({mistakes})"
        ) from None
