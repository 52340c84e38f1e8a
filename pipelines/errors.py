"""Errors of the pipeline language.

PipelineError
├── PipelineNotFound   pipeline_not_found
├── InvalidInput       invalid     the input does not fit the pipeline's schema
├── InvalidDefinition  invalid     the definition can never run
│   └── TooDeep        invalid     its text is nested too deeply to be read
├── NotExportable      not_exportable  a step of the definition is a Python function
└── ExpressionError    expression  CEL that does not compile, or whose evaluation fails
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar


class PipelineError(Exception):
    """Something in a definition, or in what it was given, is wrong. Never retryable."""

    code: ClassVar[str]


class PipelineNotFound(PipelineError):
    """No pipeline of this name, or not in this version."""

    code = "pipeline_not_found"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong.

    Attributes:
        pointer: JSON pointer (RFC 6901) into the document that was checked.
        message: What was expected, in one sentence.
        line: Where it stands in a YAML text, from 1.
        column: Likewise.
    """

    pointer: str
    message: str
    line: int | None = None
    column: int | None = None


def pointer_to(path: Iterable[str | int]) -> str:
    """Write a path of keys and indexes as JSON pointer (RFC 6901)."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def path_of(pointer: str) -> tuple[str, ...]:
    """Read a JSON pointer: its keys, and its indexes as text."""
    parts = pointer.split("/")[1:]
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts)


class _WithMistakes(PipelineError):
    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        """Take all mistakes, at least one."""
        super().__init__("; ".join(mistake.message for mistake in mistakes))
        self.mistakes = tuple(mistakes)


class InvalidInput(_WithMistakes):
    """The input does not fit. Lists every mistake."""

    code = "invalid"


class InvalidDefinition(_WithMistakes):
    """The definition can never run. Lists every mistake."""

    code = "invalid"


class TooDeep(InvalidDefinition):
    """The document is nested deeper than anything that is read."""


class ExpressionError(PipelineError):
    """An expression can't be compiled, or its evaluation ended in an error."""

    code = "expression"


class DefinitionExists(PipelineError):
    """This name and version belong to another definition; a version never changes."""

    code = "definition_exists"


class NotExportable(PipelineError):
    """The definition has steps that only Python can say."""

    code = "not_exportable"
