"""Follows a guide: what it says to type is typed, what it says to see must be seen."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

from settings import ROOT
from tests.snippets import run_snippet

_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
_FILE = re.compile(r"# ([\w-]+\.yaml)\n")
_ASSIGNMENT = re.compile(r"^(?:export )?\w+=.*\n", re.MULTILINE)
_SHOWN = {"text", "json"}

# Where there is no curl: what of it the guides use.
_CURL = """\
import argparse, pathlib, sys, urllib.request

parser = argparse.ArgumentParser(add_help=False)
parser.add_argument("url")
parser.add_argument("-s", action="store_true")
parser.add_argument("-X", dest="method")
parser.add_argument("-H", dest="headers", action="append", default=[])
parser.add_argument("-d", "--data-binary", dest="data")
wanted = parser.parse_args()
data = wanted.data and wanted.data.encode()
if data and data.startswith(b"@"):
    data = pathlib.Path(wanted.data[1:]).read_bytes()
headers = dict(line.split(": ", 1) for line in wanted.headers)
request = urllib.request.Request(wanted.url, data, headers, method=wanted.method)
sys.stdout.buffer.write(urllib.request.urlopen(request).read())
"""


class Walkthrough:
    """Works through a Markdown file from top to bottom, in one folder.

    A block of YAML that begins with `# NAME.yaml` is written to that file. What a block of `sh` or
    `python` prints must be what the block of `text` or `json` after it shows, where `…` stands for
    anything, and white space in JSON for none.

    Attributes:
        names: What the Python so far has bound.
    """

    def __init__(self, document: Path, folder: Path) -> None:
        self._document = document
        self._folder = folder
        self.names: dict[str, Any] = {}
        self._assignments = ""
        self._bin = folder / "bin"
        self._bin.mkdir()
        self._command("perdure", f'exec "{sys.executable}" -m cli "$@"')
        if shutil.which("curl") is None:
            (self._bin / "curl.py").write_text(_CURL)
            self._command("curl", f'exec "{sys.executable}" "{self._bin}/curl.py" "$@"')

    def parts(self) -> Iterator[tuple[str, str, str | None]]:
        """Yield language, text and what must come out; none where nothing is shown."""
        found = [(match[1], match[2]) for match in _BLOCK.finditer(self._document.read_text())]
        following = [*found[1:], ("", "")]
        for (language, text), (then, shown) in zip(found, following, strict=True):
            if language not in _SHOWN:
                yield language, text, shown if then in _SHOWN else None

    async def take(self, language: str, text: str, shown: str | None, api: str) -> None:
        """Do what one block says, with the API at this address."""
        match language:
            case "yaml":
                name = _FILE.match(text)
                assert name, f"a block of YAML must say which file it is: {text}"
                (self._folder / name[1]).write_text(text)
                return
            case "sh":
                out = await self._type(text.replace("http://127.0.0.1:8080", api), api)
            case "python":
                printed = StringIO()
                names = self.names | {"print": partial(print, file=printed)}
                self.names = await run_snippet(text, **names)
                out = printed.getvalue()
            case _:
                raise AssertionError(f"nobody does anything with a block of {language}")
        assert_like(out, shown or "")

    async def _type(self, script: str, api: str) -> str:
        environment = os.environ | {
            "PATH": f"{self._bin}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PERDURE_API_URL": api,
        }
        process = await asyncio.create_subprocess_exec(
            "bash",
            "-c",
            self._assignments + script,
            cwd=self._folder,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await process.communicate()
        self._assignments += "".join(_ASSIGNMENT.findall(script))
        return out.decode()

    def _command(self, name: str, script: str) -> None:
        (self._bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self._bin / name).chmod(0o755)


def assert_like(out: str, shown: str) -> None:
    """Compare what came out with what a guide shows."""
    if shown.startswith("{"):
        out, shown = re.sub(r"\s", "", out), re.sub(r"\s", "", shown)
    lines = [line.rstrip() for line in out.strip().splitlines()]
    wanted = [re.escape(line.rstrip()).replace("…", ".*") for line in shown.strip().splitlines()]
    assert re.fullmatch("\n".join(wanted), "\n".join(lines), re.DOTALL), f"\n{out}\n---\n{shown}"
