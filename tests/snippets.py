"""Runs the Python that stands in documents."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any


def blocks(document: Path, language: str = r"\w+") -> list[str]:
    """Return the blocks of a Markdown file that are in a language, in their order."""
    return re.findall(rf"```{language}\n(.*?)```", document.read_text(), re.DOTALL)


def python_blocks(document: Path) -> list[str]:
    """Return the Python blocks of a Markdown file, in their order."""
    return blocks(document, "python")


async def run_snippet(source: str, **names: Any) -> dict[str, Any]:
    """Run a snippet, which may await, with these names bound; return all its names."""
    code = compile(source, "<snippet>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    done = eval(code, names)  # noqa: S307 - our own documents are what is tested
    if inspect.isawaitable(done):
        await done
    return names
