"""`perdure watch`, `status`, `result`, `cancel`, `list`: the runs that there are."""

import sys
import time
from collections.abc import Mapping
from typing import Any

import click
import httpx2
from rich.table import Table
from rich.text import Text

from cli.client import Api
from cli.ending import exit_code_of, print_result
from cli.errors import EXIT_INTERRUPTED
from cli.figures import clean, epoch, money, seconds, total
from cli.follow import follow
from cli.options import execution_argument, json_option, talks_to_api
from cli.output import print_json, show, stdout_width
from cli.progress import Run
from cli.render import failure_lines
from cli.screens import JsonLines, screen_for
from cli.steps import look, step_lines

_STATUSES = ("pending", "running", "paused", "completed", "failed", "cancelled")
_PAGE = 100


@click.command
@execution_argument
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
@talks_to_api
@click.pass_context
def watch(ctx: click.Context, /, api: Api, execution_id: str, *, as_json: bool) -> None:
    """Follow a run to its end, from its first event, and print its result.

    Exits with 0 when the run completed, with 1 when it failed or was cancelled.
    """
    try:
        seen = follow(api, execution_id, JsonLines() if as_json else screen_for(sys.stdout))
        result = api.final_result(execution_id)
    except KeyboardInterrupt:
        click.echo(f"{execution_id} goes on; `perdure watch {execution_id}`", err=True)
        ctx.exit(EXIT_INTERRUPTED)
    if not as_json:
        print_result(result, as_json=False, seen=seen)
    ctx.exit(exit_code_of(result))


@click.command
@execution_argument
@json_option
@talks_to_api
def status(api: Api, execution_id: str, *, as_json: bool) -> None:
    """Show where a run is: its status, its steps, what it cost so far."""
    body = api.snapshot(execution_id).body
    if as_json:
        print_json(body)
        return
    run = Run.from_api(body)
    now = time.time()
    table = step_lines(run.steps.values(), stdout_width(), now, wrap=True)
    lines = [line for lines in table for line in lines]
    show(_headline(run, body, now), Text(), *lines, Text(), *failure_lines(body.get("error")))


@click.command
@execution_argument
@click.option("--wait", is_flag=True, help="Wait for the end of the run.")
@json_option
@talks_to_api
@click.pass_context
def result(
    ctx: click.Context, /, api: Api, execution_id: str, *, wait: bool, as_json: bool
) -> None:
    """Print what a run gave; exits with 1 when it failed or was cancelled."""
    if wait:
        body = api.final_result(execution_id)
    else:
        answer = api.result(execution_id, wait=False)
        body = answer.body
        if answer.status == httpx2.codes.ACCEPTED:
            _print_unfinished(execution_id, body, as_json=as_json)
            return
    print_result(body, as_json=as_json)
    ctx.exit(exit_code_of(body))


@click.command
@execution_argument
@json_option
@talks_to_api
def cancel(api: Api, execution_id: str, *, as_json: bool) -> None:
    """Ask a run to stop; what it did is undone where the pipeline says how."""
    body = api.cancel(execution_id)
    if as_json:
        print_json(body if body is not None else {"execution_id": execution_id})
        return
    click.echo(
        f"asked {execution_id} to stop; `perdure watch {execution_id}` follows it to its end"
    )


@click.command("list")
@click.option("--status", type=click.Choice(_STATUSES), help="Only runs with this status.")
@click.option("--pipeline", metavar="NAME", help="Only runs of this pipeline.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most.")
@json_option
@talks_to_api
def list_executions(
    api: Api, status: str | None, pipeline: str | None, limit: int, *, as_json: bool
) -> None:
    """List runs, newest first."""
    page = _pages(api, {"status": status, "pipeline_name": pipeline}, limit)
    if as_json:
        print_json(page)
        return
    if not page["executions"]:
        click.echo("no runs" + (" like that" if status or pipeline else " yet"))
        return
    show(_executions_table(page["executions"]))
    if page["next_cursor"]:
        click.echo(f"\nthere are more: --limit {limit * 2} shows more of them")


def _pages(api: Api, filters: Mapping[str, Any], limit: int) -> dict[str, Any]:
    """Read as many pages as the limit takes."""
    executions: list[Any] = []
    cursor = None
    while len(executions) < limit:
        size = min(_PAGE, limit - len(executions))
        query = {**filters, "limit": size, "cursor": cursor}
        page = api.executions({key: value for key, value in query.items() if value is not None})
        executions += page["executions"]
        cursor = page.get("next_cursor")
        if not cursor or not page["executions"]:
            break
    return {"executions": executions, "next_cursor": cursor}


def _executions_table(executions: list[Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("ID", no_wrap=True, min_width=31)
    for name in ("PIPELINE", "STATUS", "AGE"):
        table.add_column(name, no_wrap=True)
    for body in executions:
        run = Run.from_api(body)
        mark, style = look(run.status)
        table.add_row(
            Text(clean(run.execution_id)),
            Text(clean(run.title)),
            Text(f"{mark} {clean(run.status)}", style),
            Text(_age(body.get("created_at"))),
        )
    return table


def _age(timestamp: object) -> str:
    at = epoch(timestamp)
    if at is None:
        return ""
    age = max(0.0, time.time() - at)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if age >= size:
            return f"{age // size:.0f}{unit}"
    return f"{age:.0f}s"


def _headline(run: Run, body: Mapping[str, Any], now: float) -> Text:
    mark, style = look(run.status)
    line = Text().append(clean(run.title), "bold").append(f"  {run.execution_id}", "dim")
    line.append(f"\n{mark} {clean(run.status)}", style)
    if not run.over:
        line.append(f", {run.percent:.0f} %")
    if run.started is not None:
        took = (run.ended or now) - run.started
        line.append(f" {'in' if run.ended else 'for'} {seconds(max(0.0, took))}")
    known = body.get("known_cost_usd")
    line.append(f" · {total(body.get('total_cost_usd'), known)}" if run.over else _so_far(known))
    return line


def _so_far(known: object) -> str:
    return f" · {money(known)} so far" if known is not None else ""


def _print_unfinished(execution_id: str, body: Any, *, as_json: bool) -> None:
    if as_json:
        print_json(body)
        return
    click.echo(
        f"{execution_id} is still running: `perdure result {execution_id} --wait` waits for it, "
        f"`perdure watch {execution_id}` shows what it does"
    )
