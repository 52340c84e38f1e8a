"""Packages that are installed for a test: what pip would write, in a folder on the path."""

import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import pytest


def install(folder: Path, pyproject: str, modules: Mapping[str, str]) -> Path:
    """Lay a package out in a folder, modules by name, with its metadata; return the folder."""
    project = tomllib.loads(pyproject)["project"]
    metadata = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    groups = project["entry-points"].items()
    (metadata / "entry_points.txt").write_text(
        "\n".join(
            line
            for group, points in groups
            for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
        )
    )
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)
    return folder


class Packages:
    """Installs packages into this process, until the test ends."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch

    def add(self, group: str, source: str, value: str = "value", *, name: str = "demo") -> None:
        """Install `perdure-NAME` 1.0, whose entry point names something of one module.

        Args:
            group: The entry point's.
            source: The module's.
            value: What of the module; empty means the module itself.
            name: The entry point's, and part of the package's.
        """
        module = f"demo_{uuid4().hex}"
        pyproject = (
            f'[project]\nname = "perdure-{name}"\nversion = "1.0"\n'
            f'[project.entry-points."{group}"]\n'
            f'{name} = "{module}{":" if value else ""}{value}"\n'
        )
        self.use(install(self._folder / module, pyproject, {module: source}))

    def use(self, folder: Path) -> None:
        """Put an installed package on the path, its modules not imported yet."""
        for module in folder.glob("*.py"):
            sys.modules.pop(module.stem, None)
        self._monkeypatch.syspath_prepend(str(folder))
