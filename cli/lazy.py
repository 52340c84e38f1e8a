"""A click group that knows its commands by name and imports one when it is called.

`--help` needs the names and one line each, and those are in the table; the modules behind them pull
in HTTP clients, rich or Temporal. The group also owns how the process ends: every failure
that is expected becomes one of the contract's exit codes.
"""

import errno
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

import click
from click.exceptions import Exit, NoSuchCommand

from cli.errors import EXIT_BROKEN_PIPE, EXIT_INTERRUPTED


class Lazy(NamedTuple):
    """Where a command lives and what `--help` says about it."""

    target: str  # "module:attribute"
    help: str
    section: str = "Commands"


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def __init__(self, *args: Any, table: Mapping[str, Lazy] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = dict(table or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the table's order, then what was added by decorator."""
        return [*self.table, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in self.table:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self.table[cmd_name].target.partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is no click command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; an unknown one is answered with the nearest names."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:
            names = self.list_commands(ctx)
            raise NoSuchCommand(error.command_name, possibilities=names, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names and lines of the table, section by section, importing nothing."""
        del ctx
        for section in dict.fromkeys(lazy.section for lazy in self.table.values()):
            with formatter.section(section):
                rows = [
                    (name, lazy.help)
                    for name, lazy in self.table.items()
                    if lazy.section == section
                ]
                width = max(len(name) for name in self.table)
                formatter.write_dl([(name.ljust(width), text) for name, text in rows])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader that has gone, as `| head` does, ends it quietly."""
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise
            _discard_output()
            raise Exit(EXIT_BROKEN_PIPE) from error

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and end the process with the contract's exit code."""
        command = partial(
            super().main, args, prog_name, complete_var, standalone_mode=False, **extra
        )
        if not standalone_mode:
            return command()
        _speak_any_encoding()
        return _exit(command)


def _exit(command: Callable[[], Any]) -> NoReturn:
    try:
        code = command()
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = EXIT_INTERRUPTED
    except OSError as error:
        if error.errno != errno.EPIPE:
            raise
        _discard_output()
        code = EXIT_BROKEN_PIPE
    sys.exit(code if isinstance(code, int) else 0)


def _speak_any_encoding() -> None:
    """Make a stream that can't spell a character write `?` instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _discard_output() -> None:
    """Send what is still buffered nowhere, as the reader is gone and exit would flush again."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # stdout is no file of the system's
        sys.stdout = None
