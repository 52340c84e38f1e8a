"""What is printed when a run has ended, and the exit code it gives."""

from collections.abc import Mapping
from typing import Any

from cli.errors import EXIT_OK, EXIT_RUN_FAILED
from cli.output import print_json, show, stdout_width
from cli.progress import Run
from cli.render import result_parts


def print_result(result: Mapping[str, Any], *, as_json: bool, seen: Run | None = None) -> None:
    """Print a result on stdout: as people read it, or the API's own JSON and nothing else."""
    if as_json:
        print_json(result)
    else:
        show(*result_parts(result, stdout_width(), seen))


def exit_code_of(result: Mapping[str, Any]) -> int:
    """Return 0 for a success, 1 for a run that failed or was cancelled."""
    return EXIT_OK if result.get("success") else EXIT_RUN_FAILED
