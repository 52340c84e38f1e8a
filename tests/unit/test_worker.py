"""What a worker does at its start."""

import os
import subprocess
import sys
from pathlib import Path

from worker import _downloads_folder


def test_downloads_of_killed_workers_are_removed_and_those_of_living_ones_kept(
    tmp_path: Path,
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    parent = tmp_path / "downloads"
    living, killed = parent / f"{os.getpid()}-a", parent / f"{ended.pid}-b"
    for folder in (living, killed):
        folder.mkdir(parents=True)
        (folder / "fetch-1").write_bytes(b"half of it")
    mine = _downloads_folder(tmp_path)
    assert set(parent.iterdir()) == {living, mine}
