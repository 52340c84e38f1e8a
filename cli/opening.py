"""The ledger's database, for commands that need no API; nothing is made and nothing is migrated."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.errors import UsageMistakeError
from ledger.database import create_engine, find_revision, newest_revision
from settings import Settings, SettingsError


@asynccontextmanager
async def open_ledger(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """Open the database of these settings.

    Raises:
        UsageMistakeError: It is not there, is not up to date, or can't be read.
    """
    _check_there(settings)
    try:
        revision, newest = await find_revision(settings.database_url), newest_revision()
    except SettingsError as error:
        raise UsageMistakeError(str(error)) from None
    if revision != newest:
        raise UsageMistakeError("the tables are not up to date: run `perdure db upgrade`")
    engine = create_engine(settings.database_url)
    try:
        yield engine
    except SQLAlchemyError as error:
        raise UsageMistakeError(f"the database can't be read: {_first_line(error)}") from None
    finally:
        await engine.dispose()


def _check_there(settings: Settings) -> None:
    """Look whether there is a database, which opening SQLite's would make."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise UsageMistakeError(
            f"there is no database at {url.database}; AI_DATA_DIR or AI_DATABASE_URL says where"
        )


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
