"""`perdure dev`: everything in one terminal."""

import asyncio
import signal
from pathlib import Path

import click

from cli.configured import settings_or_exit
from cli.stack import Addresses, stack
from settings import Settings

_PORT = click.IntRange(1, 65535)


@click.command()
@click.option("--api-port", default=8080, show_default=True, type=_PORT)
@click.option("--temporal-port", type=_PORT, help="Default: as temporal-dev.yaml says (7233).")
@click.option("--ui-port", type=_PORT, help="Default: as temporal-dev.yaml says (8233).")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for all state.  [default: .perdure]",
)
def dev(
    api_port: int, temporal_port: int | None, ui_port: int | None, data_dir: Path | None
) -> None:
    """Run Temporal's development server, a worker and the API until Ctrl-C."""
    settings = settings_or_exit(data_dir=data_dir)
    asyncio.run(_dev(settings, api_port, temporal_port, ui_port))


async def _dev(
    settings: Settings, api_port: int, temporal_port: int | None, ui_port: int | None
) -> None:
    task, stopping = asyncio.current_task(), asyncio.Event()

    def stop() -> None:
        if task is not None and not stopping.is_set():
            stopping.set()
            click.echo("Stopping …", err=True)
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    click.echo("Starting Temporal, a worker and the API …", err=True)
    running = stack(settings, api_port=api_port, temporal_port=temporal_port, ui_port=ui_port)
    try:
        async with running as addresses:
            _tell(addresses, settings.ai_data_dir)
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        if not stopping.is_set():
            raise


def _tell(addresses: Addresses, folder: Path) -> None:
    click.echo(
        f"""
Perdure is running; Ctrl-C stops it.

  API          {addresses.api}  (documentation at /docs)
  Temporal UI  {addresses.ui}
  Temporal     {addresses.temporal}
  Data         {folder}
"""
    )
