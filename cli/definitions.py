"""`perdure pipelines validate | schema | register | export`: definitions as files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.exceptions import Exit

from cli.client import JSON, YAML, Api
from cli.errors import EXIT_USAGE, ApiProblemError, ApiUnreachableError, UsageMistakeError
from cli.figures import clean
from cli.options import json_option, talks_to_api
from cli.output import print_json

if TYPE_CHECKING:
    from pipelines.document import Document
    from pipelines.model import PipelineDefinition
    from pipelines.vocabulary import Vocabulary

_CREATED = 201

_file_argument = click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)


@click.command(short_help="Check a definition, tell every mistake.")
@_file_argument
@json_option
def validate(file: Path, *, as_json: bool) -> None:
    """Check a definition (YAML, or JSON by its name) and tell every mistake with its place.

    Providers are those of this installation and its settings.
    """
    definition_in(file, as_json=as_json, known_here=True)
    if as_json:
        print_json({"valid": True, "errors": []})
    else:
        click.echo(f"{file} is valid.")


@click.command(short_help="Print the JSON Schema of a definition.")
@click.option("--json", is_flag=True, expose_value=False, help="It always is JSON.")
def schema() -> None:
    """Print the JSON Schema that an editor checks and completes definitions with."""
    from pipelines.schema import definition_schema  # noqa: PLC0415 - the model takes a while

    print_json(definition_schema())


@click.command
@_file_argument
@json_option
@talks_to_api
def register(api: Api, file: Path, *, as_json: bool) -> None:
    """Register a definition; its version never changes.

    FILE is YAML, or JSON by its name. The tenant can run it at once.
    """
    definition = definition_in(file, as_json=as_json)
    media_type = JSON if file.suffix == ".json" else YAML
    try:
        answer = api.register(definition.name, definition.version, file.read_bytes(), media_type)
    except ApiProblemError as problem:
        if errors := problem.mistakes():
            _refuse(file, errors, as_json=as_json)
        raise
    if as_json:
        print_json(answer.body)
    else:
        state = "registered" if answer.status == _CREATED else "is registered already"
        click.echo(f"{definition.id} {state}")


@click.command
@click.argument("name", metavar="NAME[@VERSION]")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of YAML.")
@talks_to_api
def export(api: Api, name: str, *, as_json: bool) -> None:
    """Print a pipeline, to change and register.

    Without VERSION it is the newest release. With no API it is what is installed here.
    """
    wanted, _, version = name.partition("@")
    try:
        definition = api.definition(wanted, version, JSON if as_json else YAML)
    except ApiUnreachableError:
        click.echo(f"no Perdure API at {api.url}: looking at what is installed here", err=True)
        definition = _written(installed(wanted, version), as_json=as_json)
    if as_json:
        print_json(definition)
    else:
        click.echo(definition, nl=False)


def installed(name: str, version: str) -> "PipelineDefinition":
    """Return a definition of this installation; without a version the newest release."""
    from pipelines.catalogue import load_catalogue  # noqa: PLC0415 - the model takes a while
    from pipelines.errors import PipelineError  # noqa: PLC0415
    from settings import Settings, SettingsError  # noqa: PLC0415

    try:
        catalogue = load_catalogue(Settings.load().ai_pipelines_path)
        return catalogue.get(name, version or None)
    except (PipelineError, SettingsError) as error:
        raise UsageMistakeError(str(error)) from None


def _written(definition: "PipelineDefinition", *, as_json: bool) -> Any:
    """Return a definition as the API would."""
    from pipelines.errors import NotExportable  # noqa: PLC0415 - the model takes a while
    from pipelines.text import to_json, to_yaml  # noqa: PLC0415

    try:
        return json.loads(to_json(definition)) if as_json else to_yaml(definition)
    except NotExportable as error:
        raise UsageMistakeError(str(error)) from None


def definition_in(file: Path, *, as_json: bool, known_here: bool = False) -> "PipelineDefinition":
    """Read and check a definition's file; mistakes are told and end the command.

    Args:
        file: YAML, or JSON by its name.
        as_json: Whether the mistakes are told as JSON.
        known_here: Whether what it names must be known to this installation; the API's may know
            more.
    """
    from pipelines.check import check_document  # noqa: PLC0415 - the model takes a while
    from pipelines.errors import InvalidDefinition  # noqa: PLC0415

    try:
        document = _read(file)
        return check_document(document, _vocabulary(document.value) if known_here else None)
    except InvalidDefinition as error:
        _refuse(file, [asdict(mistake) for mistake in error.mistakes], as_json=as_json)


def refuse_file(file: Path, errors: Sequence[Mapping[str, Any]], *, as_json: bool) -> NoReturn:
    """Tell mistakes that the API has found in a file, whose pointers lead into it."""
    from pipelines.errors import Mistake  # noqa: PLC0415 - the model takes a while

    document = _read(file)
    mistakes = (Mistake(str(error["pointer"]), str(error["message"])) for error in errors)
    _refuse(file, [asdict(document.locate(one)) for one in mistakes], as_json=as_json)


def _read(file: Path) -> "Document":
    from pipelines.document import read_json, read_yaml  # noqa: PLC0415 - the model takes a while

    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError:
        raise UsageMistakeError(f"{file} is not text in UTF-8") from None
    return (read_json if file.suffix == ".json" else read_yaml)(text)


def _vocabulary(value: Any) -> "Vocabulary":
    """Return what a definition may name here; who there is only where it names somebody."""
    from pipelines.vocabulary import COMPENSATIONS, Vocabulary, vocabulary_of  # noqa: PLC0415

    steps = value.get("steps") if isinstance(value, dict) else None
    if not any(isinstance(step, dict) and step.get("providers") for step in steps or ()):
        return Vocabulary({}, COMPENSATIONS)
    from providers.registry import build_registry  # noqa: PLC0415 - half a second
    from settings import Settings, SettingsError  # noqa: PLC0415

    try:
        return vocabulary_of(build_registry(Settings.load()))
    except SettingsError as error:
        raise UsageMistakeError(str(error)) from None


def _refuse(file: Path, errors: Sequence[Mapping[str, Any]], *, as_json: bool) -> NoReturn:
    """Tell the mistakes, each with its place in the file, and end the command."""
    if as_json:
        print_json({"valid": False, "errors": errors})
    for error in () if as_json else errors:
        line = error.get("line")
        place = f"{line}:{error.get('column')}" if line else error.get("pointer") or "/"
        click.echo(clean(f"{file}:{place}: {error.get('message')}"), err=True)
    raise Exit(EXIT_USAGE)
