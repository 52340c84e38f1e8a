"""`perdure budget verify`: whether every figure of the ledger is the sum that it should be."""

import asyncio
from dataclasses import asdict
from typing import Any

import click

from cli.configured import read_settings_or_exit
from cli.errors import EXIT_RUN_FAILED
from cli.figures import clean, count, exact
from cli.opening import open_ledger
from cli.options import json_option
from cli.output import print_json
from ledger.reports import Audit, Discrepancy, Reports
from settings import Settings


@click.command
@json_option
def verify(*, as_json: bool) -> None:
    """Hold every figure that the ledger keeps against the entries and attempts behind it.

    What each month and each run has spent, reserved and held open is kept as a figure; each of them
    must be the sum of its rows. Reads the database of these settings; no API is needed. Exit code 1
    when a figure is wrong.
    """
    settings = read_settings_or_exit()
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


async def _audit(settings: Settings) -> Audit:
    async with open_ledger(settings) as engine:
        return await Reports(engine).audit()


def _line(wrong: Discrepancy) -> str:
    told = (
        f"{wrong.tenant_id}, {wrong.account}: {wrong.figure} is kept as {exact(wrong.booked_usd)}, "
        f"the sum is {exact(wrong.summed_usd)}"
    )
    return clean(told, one_line=True)


def _to_dict(wrong: Discrepancy) -> dict[str, Any]:
    figures = ("booked_usd", "summed_usd")
    return asdict(wrong) | {name: f"{getattr(wrong, name):f}" for name in figures}
