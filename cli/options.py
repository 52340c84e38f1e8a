"""What the commands that talk to the API share: where it is, with which key, and identifiers."""

import re
from collections.abc import Callable
from functools import update_wrapper
from typing import Any
from urllib.parse import urlsplit

import click
from click.core import ParameterSource

from cli.client import Api
from cli.errors import UsageMistakeError

DEFAULT_URL = "http://127.0.0.1:8080"
_EXECUTION_ID = re.compile(r"exec-[0-9a-hjkmnp-tv-z]{26}")


class ApiUrl(click.ParamType[str]):
    """An `http(s)://host[:port][/path]` address."""

    name = "url"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address without what no API has, or refuse it."""
        text = value.strip().rstrip("/")
        try:
            parts = urlsplit(text)
            sound = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        except ValueError:
            sound = False
        if not sound or parts.query or parts.fragment:
            self.fail(f"{value!r} is no address such as {DEFAULT_URL}", param, ctx)
        return text


class ApiKey(click.ParamType[str]):
    """A key, as it may stand in an HTTP header."""

    name = "key"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the key without white space around it; the message never shows it."""
        text = value.strip()
        if not (text.isascii() and text.isprintable()) or " " in text:
            self.fail("a key has printable ASCII characters only", param, ctx)
        return text


class ExecutionId(click.ParamType[str]):
    """`exec-` and 26 lower-case Crockford characters."""

    name = "execution_id"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id, or refuse what can't be one, as the API's other paths must not be hit."""
        text = value.strip().lower()
        if not _EXECUTION_ID.fullmatch(text):
            self.fail(f"{value!r} is no execution id; `perdure list` shows them", param, ctx)
        return text


def talks_to_api(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--api-url` and `--api-key`, and pass it an open `Api` as `api`.

    A group does its own work only where no command follows, which has a connection of its own.
    """

    @click.option(
        "--api-url",
        type=ApiUrl(),
        envvar="PERDURE_API_URL",
        default=DEFAULT_URL,
        show_default=True,
        show_envvar=True,
        help="Where the API is.",
    )
    @click.option(
        "--api-key",
        type=ApiKey(),
        envvar="PERDURE_API_KEY",
        show_envvar=True,
        help="Sent as a bearer token.",
    )
    @click.pass_context
    def command(
        ctx: click.Context, /, *args: Any, api_url: str, api_key: str | None, **kwargs: Any
    ) -> None:
        if ctx.invoked_subcommand is not None:
            _refuse_options(ctx)
            return
        connection = ctx.find_object(Api) or Api(api_url, api_key)
        with connection as api:
            function(*args, api=api, **kwargs)

    return update_wrapper(command, function)


def _refuse_options(ctx: click.Context) -> None:
    """Refuse a group's options where a command follows, which would not hear of them."""
    if any(ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in ctx.params):
        called = f"{ctx.info_name} {ctx.invoked_subcommand}"
        raise UsageMistakeError(f"options stand after `{called}`")


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, nothing else.")
execution_argument = click.argument("execution_id", metavar="ID", type=ExecutionId())
