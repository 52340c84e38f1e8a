"""`perdure demo`: the sample call, analysed with everything started and stopped again."""

import asyncio
import sys
from pathlib import Path

import click

from cli.configured import settings_or_exit
from cli.errors import UsageMistakeError
from cli.stack import stack
from devserver import free_port
from settings import ROOT, Settings

_SAMPLE = ROOT / "examples" / "support_call.flac"
_PIPELINE = "call_analysis"


@click.command()
@click.argument(
    "recording", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for all state.  [default: .perdure/demo]",
)
def demo(recording: Path | None, data_dir: Path | None) -> None:
    """Analyse RECORDING (default: the sample call) on a stack of its own, on free ports."""
    recording = recording or _SAMPLE
    if not recording.exists():
        raise UsageMistakeError("The sample call is not installed; name a recording of your own.")
    settings = settings_or_exit(data_dir=data_dir)
    if data_dir is None:
        settings = settings.model_copy(update={"ai_data_dir": settings.ai_data_dir / "demo"})
    sys.exit(asyncio.run(_demo(settings, recording)))


async def _demo(settings: Settings, recording: Path) -> int:
    settings.ai_data_dir.mkdir(parents=True, exist_ok=True)
    log = settings.ai_data_dir / "demo.log"
    click.echo("Starting Temporal, a worker and the API …", err=True)
    running = stack(
        settings,
        api_port=free_port(),
        temporal_port=free_port(),
        ui_port=free_port(),
        log=log,
    )
    async with running as addresses:
        click.echo(f"Temporal UI: {addresses.ui} (while this runs)\n", err=True)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "cli",
            "run",
            _PIPELINE,
            "--file",
            f"audio_url={recording}",
            "--api-url",
            addresses.api,
        )
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                await process.wait()
    click.echo(f"\nEverything is stopped. Logs: {log}", err=True)
    return code
