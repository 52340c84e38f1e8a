"""The settings of the commands that run our own processes."""

import asyncio
from pathlib import Path

import click

from cli.errors import UsageMistakeError
from settings import Settings, SettingsError, settings_without_effect


def settings_or_exit(*, data_dir: Path | None = None) -> Settings:
    """Read the settings; a bad value ends the command with one line.

    Raises:
        UsageMistakeError: naming the variable, the form of its value and an example.
    """
    try:
        settings = Settings.load(**({"ai_data_dir": data_dir} if data_dir else {}))
        settings.prepare_data_dir()
    except SettingsError as error:
        raise UsageMistakeError(str(error)) from None
    for name in settings_without_effect():
        click.echo(f"warning: {name} has no effect yet", err=True)
    return settings


def prepare_or_exit(settings: Settings) -> None:
    """Migrate the database; one that can't be opened ends the command with one line.

    Raises:
        UsageMistakeError: naming the variable and an example.
    """
    from ledger.database import prepare_database  # noqa: PLC0415 - half a second

    try:
        asyncio.run(prepare_database(settings.database_url))
    except SettingsError as error:
        raise UsageMistakeError(str(error)) from None
