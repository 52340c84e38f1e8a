"""The input of a run, as it is typed: a JSON file, `key=value`, `key=path`."""

import json
from collections.abc import Callable
from functools import update_wrapper
from pathlib import Path
from typing import IO, Any

import click

from cli.errors import UsageMistakeError


def takes_input(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--input`, `--set` and `--file`, and pass it `data` and `files`."""

    def command(
        *args: Any, input_file: IO[bytes] | None, settings: dict[str, Any], **kwargs: Any
    ) -> None:
        function(*args, data=input_data(input_file) | settings, **kwargs)

    wrapped: Callable[..., None] = update_wrapper(command, function)
    for option in _options():
        wrapped = option(wrapped)
    return wrapped


def _options() -> list[Callable[[Callable[..., None]], Callable[..., None]]]:
    """Return the options, the last one of the help first."""
    return [
        click.option(
            "--file",
            "files",
            metavar="KEY=PATH",
            multiple=True,
            callback=paths,
            help="Upload a file; its address becomes the input KEY.",
        ),
        click.option(
            "--set",
            "settings",
            metavar="KEY=VALUE",
            multiple=True,
            callback=assignments,
            help="One input; VALUE is read as JSON where it is JSON, else as text.",
        ),
        click.option(
            "--input",
            "input_file",
            metavar="FILE.json",
            type=click.File("rb"),
            help="A JSON object with the input; - is standard input.",
        ),
    ]


def assignments(
    ctx: click.Context, param: click.Parameter, pairs: tuple[str, ...]
) -> dict[str, Any]:
    """Read `key=value`; a value that is JSON is that value, another one is text."""
    return {key: _value(text) for key, text in _split(ctx, param, pairs)}


def paths(ctx: click.Context, param: click.Parameter, pairs: tuple[str, ...]) -> dict[str, Path]:
    """Read `key=path`; the path must be one that can be read."""
    path_type = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
    return {
        key: path_type.convert(str(Path(text).expanduser()), param, ctx)
        for key, text in _split(ctx, param, pairs)
    }


def input_data(file: IO[bytes] | None) -> dict[str, Any]:
    """Read the JSON object that `--input` names.

    Raises:
        UsageMistakeError: It is no JSON, or no object.
    """
    if file is None:
        return {}
    name = getattr(file, "name", "<stdin>")
    try:
        value = json.loads(file.read())
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise UsageMistakeError(f"--input: {name} is not JSON: {error.msg} at {place}") from error
    except UnicodeDecodeError as error:
        raise UsageMistakeError(f"--input: {name} is not JSON: it is not UTF-8") from error
    except RecursionError as error:
        raise UsageMistakeError(f"--input: {name} is nested too deeply") from error
    if not isinstance(value, dict):
        raise UsageMistakeError(
            f'--input: {name} must hold a JSON object, such as {{"text": "hi"}}'
        )
    return value


def _split(
    ctx: click.Context, param: click.Parameter, pairs: tuple[str, ...]
) -> list[tuple[str, str]]:
    split = []
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (key and equals):
            raise click.BadParameter(f"{pair!r} is not of the form key=value", ctx, param)
        split.append((key, text))
    return split


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError):
        return text


def _not_json(name: str) -> Any:
    raise ValueError(name)  # NaN and Infinity, which Python would accept
