"""Runs the Python that stands in documents."""

import ast
import inspect
import re
from pathlib import Path
from typing import Any


def python_blocks(document: Path) -> list[str]:
    """Return the Python blocks of a Markdown file, in their order."""
    return re.findall(r"```python\n(.*?)```", document.read_text(), re.DOTALL)


async def run_snippet(source: str, **names: Any) -> dict[str, Any]:
    """Run a snippet, which may await, with these names bound; return all its names."""
    code = compile(source, "<snippet>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    done = eval(code, names)  # noqa: S307 - our own documents are what is tested
    if inspect.isawaitable(done):
        await done
    return names
