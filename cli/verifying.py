"""`perdure budget verify`: whether every figure of the ledger is the sum that it should be."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from cli.configured import read_settings_or_exit
from cli.errors import EXIT_RUN_FAILED, UsageMistakeError
from cli.figures import clean, count, exact
from cli.options import json_option
from cli.output import print_json
from ledger.database import create_engine, find_revision, newest_revision
from ledger.reports import Audit, Discrepancy, Reports
from settings import Settings, SettingsError


@click.command
@json_option
def verify(*, as_json: bool) -> None:
    """Hold every figure that the ledger keeps against the entries and attempts behind it.

    What each month and each run has spent, reserved and held open is kept as a figure; each of them
    must be the sum of its rows. Reads the database of these settings; no API is needed. Exit code 1
    when a figure is wrong.
    """
    settings = read_settings_or_exit()
    _check_there(settings)
    audit = asyncio.run(_audit(settings))
    wrong = audit.discrepancies
    if as_json:
        print_json(
            {
                "ok": not wrong,
                "figures": audit.figures,
                "discrepancies": [_to_dict(one) for one in wrong],
            }
        )
    elif not wrong:
        click.echo(f"{count(audit.figures, 'figure')} add{'s' * (audit.figures == 1)} up")
    else:
        for one in wrong:
            click.echo(_line(one))
        click.echo(f"{len(wrong)} of {count(audit.figures, 'figure')} do not add up")
    if wrong:
        raise click.exceptions.Exit(EXIT_RUN_FAILED)


def _check_there(settings: Settings) -> None:
    """Look whether there is a database, which opening SQLite's would make.

    Raises:
        UsageMistakeError: There is none.
    """
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        raise UsageMistakeError(
            f"there is no database at {url.database}; AI_DATA_DIR or AI_DATABASE_URL says where"
        )


async def _audit(settings: Settings) -> Audit:
    """Add up; nothing is migrated.

    Raises:
        UsageMistakeError: The database is not up to date, or can't be read.
    """
    try:
        revision, newest = await find_revision(settings.database_url), newest_revision()
    except SettingsError as error:
        raise UsageMistakeError(str(error)) from None
    if revision != newest:
        raise UsageMistakeError("the tables are not up to date: run `perdure db upgrade`")
    engine = create_engine(settings.database_url)
    try:
        return await Reports(engine).audit()
    except SQLAlchemyError as error:
        raise UsageMistakeError(f"the database can't be read: {_first_line(error)}") from None
    finally:
        await engine.dispose()


def _line(wrong: Discrepancy) -> str:
    told = (
        f"{wrong.tenant_id}, {wrong.account}: {wrong.figure} is kept as {exact(wrong.booked_usd)}, "
        f"the sum is {exact(wrong.summed_usd)}"
    )
    return clean(told, one_line=True)


def _to_dict(wrong: Discrepancy) -> dict[str, Any]:
    figures = ("booked_usd", "summed_usd")
    return asdict(wrong) | {name: f"{getattr(wrong, name):f}" for name in figures}


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
