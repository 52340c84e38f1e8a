"""`perdure budget reconcile`: what a provider's books say of an attempt that is in doubt."""

import asyncio
from decimal import Decimal, InvalidOperation

import click

from cli.configured import read_settings_or_exit
from cli.errors import UsageMistakeError
from cli.opening import open_ledger
from cli.options import json_option
from cli.output import print_json
from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.calls import Sale
from settings import Settings


@click.command
@click.argument("call_id")
@click.argument("attempt", type=click.IntRange(min=1))
@click.option("--cost", metavar="USD", help="What the provider charged for it.")
@click.option("--unsold", is_flag=True, help="The provider has not sold it.")
@json_option
def reconcile(call_id: str, attempt: int, *, cost: str | None, unsold: bool, as_json: bool) -> None:
    """Book what is known by now of an attempt that is unconfirmed.

    CALL_ID and ATTEMPT are those of `perdure costs ID --json`; what was charged stands in the
    provider's own usage report. Writes to the database of these settings; no API is needed.
    """
    if (cost is None) != unsold:
        raise UsageMistakeError("say one of --cost USD and --unsold")
    sale = None
    if cost is not None:
        sale = Sale({}, {}, _amount(cost), "the provider's books")
    if not asyncio.run(_reconcile(read_settings_or_exit(), call_id, attempt, sale)):
        raise UsageMistakeError(f"there is no unconfirmed attempt {attempt} at {call_id}")
    if as_json:
        print_json({"call_id": call_id, "attempt": attempt, "cost_usd": cost or "0"})
    else:
        click.echo(f"attempt {attempt} is confirmed at ${cost or '0'}")


async def _reconcile(settings: Settings, call_id: str, attempt: int, sale: Sale | None) -> bool:
    async with open_ledger(settings) as engine:
        calls = Ledger(engine, Budget.of(settings)).calls
        return await calls.reconcile(call_id, attempt, sale)


def _amount(cost: str) -> Decimal:
    try:
        amount = Decimal(cost)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise UsageMistakeError(f"--cost takes USD, such as 0.0123, not {cost!r}")
    return amount
