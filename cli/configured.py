"""The settings of the commands that run our own processes."""

import asyncio
from pathlib import Path
from typing import Any

from cli.errors import UsageMistakeError
from settings import Settings, SettingsError


def read_settings_or_exit(**overrides: Any) -> Settings:
    """Read the settings and touch nothing; a bad value ends the command with one line.

    Raises:
        UsageMistakeError: naming the variable, the form of its value and an example.
    """
    try:
        return Settings.load(**overrides)
    except SettingsError as error:
        raise UsageMistakeError(str(error)) from None


def settings_or_exit(*, data_dir: Path | None = None) -> Settings:
    """Read the settings and make the data folder; what is wrong ends the command with one line.

    Raises:
        UsageMistakeError: naming the variable, the form of its value and an example.
    """
    settings = read_settings_or_exit(**({"ai_data_dir": data_dir} if data_dir else {}))
    try:
        settings.prepare_data_dir()
    except SettingsError as error:
        raise UsageMistakeError(str(error)) from None
    return settings


def prepare_or_exit(settings: Settings) -> tuple[str | None, str]:
    """Migrate the database; one that can't be opened ends the command with one line.

    Returns:
        The revisions before (null for an empty database) and after.

    Raises:
        UsageMistakeError: naming the variable and an example.
    """
    from ledger.database import prepare_database  # noqa: PLC0415 - half a second

    try:
        return asyncio.run(prepare_database(settings.database_url))
    except SettingsError as error:
        raise UsageMistakeError(str(error)) from None
