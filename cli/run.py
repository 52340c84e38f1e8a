"""`perdure run`: upload, execute, follow, print."""

import sys
import uuid
from pathlib import Path
from typing import Any

import click

from cli.client import Api
from cli.ending import exit_code_of, print_result
from cli.errors import EXIT_INTERRUPTED, ApiProblemError
from cli.figures import clean
from cli.follow import follow
from cli.inputs import takes_input
from cli.options import json_option, talks_to_api
from cli.output import print_json
from cli.screens import Screen, Silent, screen_for
from cli.uploading import upload


@click.command
@click.argument("pipeline", metavar="PIPELINE[@VERSION]")
@takes_input
@click.option("--max-cost", metavar="USD", help="The most that this run may spend.")
@click.option("--detach", is_flag=True, help="Print the run's id and leave it running.")
@json_option
@talks_to_api
@click.pass_context
def run(
    ctx: click.Context,
    /,
    api: Api,
    pipeline: str,
    data: dict[str, Any],
    files: dict[str, Path],
    *,
    max_cost: str | None,
    detach: bool,
    as_json: bool,
) -> None:
    """Run PIPELINE, follow it to its end and print its result.

    \b
      perdure run call_analysis --file audio_url=call.wav
      perdure run pii_detection --set text="call me at 415 555 2671"

    --input comes first, then --set, then --file; of the same key the last one wins.
    """  # noqa: D301 - the backspace is how click is told to keep lines
    screen = Silent() if as_json else screen_for(sys.stderr)
    for key, path in files.items():
        data[key] = upload(api, key, path, quiet=as_json)
    accepted = _start(api, pipeline, data, max_cost)
    if detach:
        if as_json:
            print_json(accepted)
        else:
            click.echo(clean(accepted["execution_id"]))
        return
    _finish(ctx, api, accepted["execution_id"], screen, as_json=as_json)


def _start(api: Api, pipeline: str, data: dict[str, Any], max_cost: str | None) -> Any:
    name, _, version = pipeline.partition("@")
    request: dict[str, Any] = {"pipeline_name": name, "input_data": data}
    if max_cost is not None:
        request["max_cost_usd"] = max_cost
    if version:
        request["pipeline_version"] = version
    return api.execute(request, str(uuid.uuid4()))


def _finish(
    ctx: click.Context, api: Api, execution_id: str, screen: Screen, *, as_json: bool
) -> None:
    """Follow a run that has been started and print its result."""
    try:
        seen = follow(api, execution_id, screen)
        result = api.final_result(execution_id)
    except KeyboardInterrupt:
        _interrupted(api, execution_id, screen, as_json=as_json)
        ctx.exit(EXIT_INTERRUPTED)
    print_result(result, as_json=as_json, seen=seen)
    ctx.exit(exit_code_of(result))


def _interrupted(api: Api, execution_id: str, screen: Screen, *, as_json: bool) -> None:
    """Ask whether Ctrl-C means the run too, and do as told."""
    if not _wants_cancel(execution_id):
        click.echo(
            f"{execution_id} goes on without you; `perdure watch {execution_id}` follows it again, "
            f"`perdure cancel {execution_id}` stops it",
            err=True,
        )
        return
    try:
        api.cancel(execution_id)
    except ApiProblemError as problem:
        if problem.code != "already_ended":
            raise
    click.echo("asked it to stop", err=True)
    seen = follow(api, execution_id, screen)
    print_result(api.final_result(execution_id), as_json=as_json, seen=seen)


def _wants_cancel(execution_id: str) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    try:
        return click.confirm(f"Cancel the run {execution_id}?", default=False, err=True)
    except click.Abort:  # Ctrl-C again, or the end of the input
        click.echo(err=True)
        return False
