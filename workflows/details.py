"""What operators read about a run in Temporal's own UI."""

from providers.types import plain
from workflows.types import ExecutionStatus


def describe_steps(status: ExecutionStatus) -> str:
    """Return the step table in Markdown."""
    rows = [
        f"| {step.name} | {step.status} | {_candidate(step.provider, step.model)} "
        f"| {step.attempts or ''} | {_seconds(step.duration_ms)} "
        f"| {'' if step.cost_usd is None else f'${plain(step.cost_usd)}'} "
        f"| {_cell(step.error.message) if step.error else ''} |"
        for step in status.steps
    ]
    head = "| step | status | provider | attempts | duration | cost | note |"
    return "\n".join([head, "| --- | --- | --- | --- | --- | --- | --- |", *rows])


def _candidate(provider: str | None, model: str | None) -> str:
    return f"{provider}/{model}" if provider else ""


def _seconds(duration_ms: int | None) -> str:
    return "" if duration_ms is None else f"{duration_ms / 1000:.1f} s"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
