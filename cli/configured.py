"""The settings of the commands that run our own processes."""

from pathlib import Path

from cli.errors import UsageMistakeError
from settings import Settings, SettingsError


def settings_or_exit(*, data_dir: Path | None = None) -> Settings:
    """Read the settings; a bad value ends the command with one line.

    Raises:
        UsageMistakeError: naming the variable, the form of its value and an example.
    """
    try:
        return Settings.load(**({"ai_data_dir": data_dir} if data_dir else {}))
    except SettingsError as error:
        raise UsageMistakeError(str(error)) from None
