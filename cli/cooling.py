"""`perdure providers clear`: a provider that cools down may be asked again."""

import click

from cli.client import Api
from cli.options import json_option, talks_to_api
from cli.output import print_json


@click.command
@click.argument("name")
@json_option
@talks_to_api
def clear(api: Api, name: str, *, as_json: bool) -> None:
    """Let the provider NAME be asked again at once, when what it cooled down for is mended."""
    api.clear_cooldown(name)
    if as_json:
        print_json({"name": name, "cooldown_until": None})
    else:
        click.echo(f"{name} may be asked again")
