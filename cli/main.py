"""The root of the `perdure` command. Imports click and nothing heavier; see `cli.lazy`."""

import click

from cli.lazy import Lazy, LazyGroup

_RUNS, _CATALOGUE, _MONEY, _PROCESSES = "Runs", "What there is", "Money", "Processes"

COMMANDS = {
    "demo": Lazy("cli.demo:demo", "Analyse a sample call with everything started for you.", _RUNS),
    "run": Lazy("cli.run:run", "Run a pipeline, follow it, print its result.", _RUNS),
    "watch": Lazy("cli.executions:watch", "Follow a run to its end.", _RUNS),
    "status": Lazy("cli.executions:status", "Show where a run is.", _RUNS),
    "result": Lazy("cli.executions:result", "Print what a run gave.", _RUNS),
    "cancel": Lazy("cli.executions:cancel", "Ask a run to stop.", _RUNS),
    "list": Lazy("cli.executions:list_executions", "List runs, newest first.", _RUNS),
    "pipelines": Lazy("cli.catalog:pipelines", "The pipelines that can be run.", _CATALOGUE),
    "providers": Lazy("cli.catalog:providers", "Who can do what, at which price.", _CATALOGUE),
    "budget": Lazy("cli.budget:budget", "What may be spent, what was, and on what.", _MONEY),
    "costs": Lazy("cli.invoice:costs", "The invoice of a run: a line for each attempt.", _MONEY),
    "doctor": Lazy("cli.doctor:doctor", "What is not well here, and how to mend it.", _PROCESSES),
    "dev": Lazy("cli.dev:dev", "Temporal, worker and API in one terminal.", _PROCESSES),
    "api": Lazy("cli.serve:api", "An API process.", _PROCESSES),
    "worker": Lazy("cli.serve:worker", "A worker process.", _PROCESSES),
    "db": Lazy("cli.database:db", "The ledger's database.", _PROCESSES),
}


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version  # noqa: PLC0415 - 15 ms that only --version needs

        click.echo(f"perdure {version('perdure')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 success, 1 the run failed or was cancelled, 2 usage, "
    "3 API unreachable, 130 interrupted.",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Durable AI pipelines: every run finishes, every cent is accounted for."""
