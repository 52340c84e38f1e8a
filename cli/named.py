"""Finds a definition by what people call it: NAME, NAME@VERSION or FILE."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.client import JSON, Api
from cli.definitions import definition_in, installed
from cli.errors import ApiProblemError, ApiUnreachableError, UsageMistakeError

if TYPE_CHECKING:
    from pipelines.model import PipelineDefinition

_SUFFIXES = {".yaml", ".yml", ".json"}


def find_definition(api: Api, text: str) -> "PipelineDefinition":
    """Return a definition: of a file, else of the API, else of this installation."""
    file = find_file(text)
    if file is not None:
        return definition_in(file, as_json=False)
    name, _, version = text.partition("@")
    try:
        return _read(api.definition(name, version, JSON))
    except ApiUnreachableError:
        reason = f"no Perdure API at {api.url}"
    except ApiProblemError as problem:
        if problem.code != "not_exportable":
            raise
        reason = f"{text} has Python functions, which the API can't send"
    click.echo(f"{reason}: looking at what is installed here", err=True)
    return installed(name, version)


def find_file(text: str) -> Path | None:
    """Return the file that is meant, None where a name is.

    What stands on disk or looks like a file is one; no name has a `.` or a `/` before its `@`.
    """
    file = Path(text)
    if file.is_file():
        return file
    if file.suffix in _SUFFIXES or "/" in text:
        raise UsageMistakeError(f"there is no file {file}")
    return None


def _read(body: object) -> "PipelineDefinition":
    from pipelines.model import PipelineDefinition  # noqa: PLC0415 - the model takes a while

    return PipelineDefinition.model_validate(body)
