"""What can go wrong between a terminal and the API, and the exit code of each.

CliError                       one line on stderr, or a few
├── UsageMistakeError      2   what was typed can't be meant
├── ApiProblemError        2   the API refused: 4xx
│   └── ApiFailureError    3   the API could not answer: 5xx
├── ApiUnreachableError    3   nobody answers at the URL, or something that is not our API
└── FollowLostError        3   nobody answers any more, while a run was being followed
"""

from collections.abc import Mapping
from typing import IO, Any

import click

from cli.figures import clean, money

EXIT_OK = 0
EXIT_RUN_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141


class CliError(click.ClickException):
    """A failure that is told in a line or a few, never as a traceback."""

    exit_code = EXIT_USAGE

    def lines(self) -> list[str]:
        """Return what to print; the first line follows `error: `."""
        return [self.message]

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the error to stderr, with everything foreign made harmless."""
        first, *rest = (clean(line) for line in self.lines())
        label = click.style("error:", fg="red", bold=True)
        click.echo(f"{label} {first}", file=file, err=file is None)
        for line in rest:
            click.echo(f"  {line}", file=file, err=file is None)


class UsageMistakeError(CliError):
    """An argument has the right form but can't be used, such as a file that is not JSON."""


class ApiUnreachableError(CliError):
    """Nobody answers at the URL, or something that is not our API does."""

    exit_code = EXIT_UNREACHABLE

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"no Perdure API at {url} ({reason}): start it with `perdure dev`, "
            "or point --api-url / PERDURE_API_URL at it"
        )


class FollowLostError(CliError):
    """The connection was lost while following and could not be had again."""

    exit_code = EXIT_UNREACHABLE

    def __init__(self, url: str, reason: str, execution_id: str) -> None:
        super().__init__(
            f"lost the API at {url} ({reason}); the run goes on without it: "
            f"follow it again with `perdure watch {execution_id}`"
        )


_HINTS: Mapping[int | str, str] = {
    401: "give a key with --api-key or PERDURE_API_KEY",
    "pipeline_not_found": "`perdure pipelines list` shows what there is",
}


class ApiProblemError(CliError):
    """An answer `application/problem+json` (RFC 9457).

    Attributes:
        status: The HTTP status.
        code: The contract's stable code, such as `pipeline_not_found`.
        problem: The whole body.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = problem
        self.code = str(problem.get("code") or "")
        text = problem.get("detail") or problem.get("title") or f"the API answered {status}"
        super().__init__(text if isinstance(text, str) else f"the API answered {status}: {text}")

    def lines(self) -> list[str]:
        """Return the sentence, each mistake with its place, the budget's figures and a hint."""
        hint = _HINTS.get(self.code) or _HINTS.get(self.status)
        mistakes = [
            f"{item.get('pointer') or '/'}: {item.get('message', '')}" for item in self.mistakes()
        ]
        return [self._sentence(), *mistakes, *self._budget(), *([hint] if hint else [])]

    def mistakes(self) -> list[dict[str, Any]]:
        """Return the mistakes that the API lists, none where it lists none."""
        errors: Any = self.problem.get("errors")
        return [item for item in errors if isinstance(item, dict)] if errors else []

    def _sentence(self) -> str:
        """Return the detail, unless it only says what the list of mistakes says again."""
        left = self.message
        for item in self.mistakes():
            left = left.replace(str(item.get("message")), "")
        return self.message if left.strip(" ;,.\n") else "the request is not valid"

    def _budget(self) -> list[str]:
        if "limit_usd" not in self.problem:
            return []
        names = {"limit": "limit_usd", "spent": "spent_usd", "reserved": "reserved_usd"}
        names["this run"] = "estimated_cost_usd"
        figures = [f"{name} {money(self.problem.get(key))}" for name, key in names.items()]
        resets = self.problem.get("resets_at")
        return [", ".join(figures) + (f"; resets at {resets}" if resets else "")]


class ApiFailureError(ApiProblemError):
    """The API answered that it can't serve anybody now: 5xx."""

    exit_code = EXIT_UNREACHABLE
