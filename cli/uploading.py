"""Uploads, with their progress on stderr."""

import mimetypes
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.filesize import decimal as bytes_in_words
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from cli.client import Api, Upload
from cli.figures import clean
from cli.output import console, moves

_WORTH_A_BAR = 1_000_000  # bytes; less is gone before it is read

# What `mimetypes` does not know everywhere, or names in a way that few expect.
_MEDIA_TYPES = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".webm": "audio/webm",
}


def upload(api: Api, key: str, path: Path, *, quiet: bool) -> str:
    """Upload a file and return its address."""
    info = path.stat()
    size = info.st_size if stat.S_ISREG(info.st_mode) else None
    guessed = _MEDIA_TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0]
    media_type = guessed or "application/octet-stream"
    with _show(key, path, size, quiet=quiet) as progress:
        stored = api.upload(Upload(str(path), media_type, size, progress))
    return str(stored["artifact_url"])


@contextmanager
def _show(
    key: str, path: Path, size: int | None, *, quiet: bool
) -> Iterator[Callable[[int], None] | None]:
    """Yield what to tell the bytes of each chunk; a bar on a terminal, a line elsewhere."""
    if quiet:
        yield None
    elif moves(sys.stderr) and (size is None or size >= _WORTH_A_BAR):
        with _bar() as bar:
            task = bar.add_task(clean(path.name, one_line=True), total=size)
            yield lambda amount: bar.advance(task, amount)
    else:
        yield None
        if not moves(sys.stderr):
            amount = f" ({bytes_in_words(size)})" if size is not None else ""
            click.echo(f"uploaded {clean(path.name, one_line=True)}{amount} as {key}", err=True)


def _bar() -> Progress:
    return Progress(
        TextColumn("uploading {task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console(sys.stderr),
        transient=True,
        refresh_per_second=8,
    )
