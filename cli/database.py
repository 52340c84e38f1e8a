"""`perdure db`: the ledger's database."""

import click

from cli.configured import prepare_or_exit, read_settings_or_exit, settings_or_exit
from cli.options import json_option
from cli.output import print_json


@click.group
def db() -> None:
    """Look after the ledger's database."""


@db.command
@json_option
def upgrade(*, as_json: bool) -> None:
    """Bring the tables up to date; tells from which revision to which.

    API and workers do the same when they start. Do it before where they may not change tables, or
    where nobody shall wait for it.
    """
    settings = read_settings_or_exit()
    if settings.ai_database_url is None:
        settings = settings_or_exit()
    before, after = prepare_or_exit(settings)
    if as_json:
        print_json({"from": before, "to": after})
    elif before == after:
        click.echo(f"at revision {after} already")
    else:
        click.echo(f"from {f'revision {before}' if before else 'an empty database'} to {after}")
