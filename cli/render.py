"""A result as people like to read it: a section for each output, then how it went and what it cost.

An output is recognised by its shape (the capabilities' responses of the contract), not only by
its name, so that a pipeline of one's own reads as well as a predefined one. What is not
recognised is shown as JSON.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from rich.console import RenderableType
from rich.highlighter import JSONHighlighter
from rich.text import Text

from cli.conversation import conversation, marked
from cli.figures import ABSENT, clean, count, seconds, to_json, total
from cli.mood import mood
from cli.progress import Run, Step
from cli.prose import bullets, indented, paragraphs
from cli.steps import look, step_lines

_WIDTH = 100


def result_parts(
    result: Mapping[str, Any], width: int = _WIDTH, seen: Run | None = None
) -> list[RenderableType]:
    """Return everything there is to print about a run that has ended.

    Args:
        result: The body of `GET /{execution_id}/result`.
        width: Cells of a line.
        seen: The fold of the run's events, where it was followed: it knows of retries.
    """
    steps = [Step.from_api(step) for step in result.get("steps") or []]
    parts: list[RenderableType] = []
    output = result.get("output")
    if isinstance(output, dict):
        for name, value in output.items():
            parts += [*_section(name, value, output, steps), Text()]
    elif output is not None:
        parts += [*_json(output), Text()]
    if steps:
        told = _explained(output, steps) | {str((result.get("error") or {}).get("step"))}
        table = step_lines(_noted(steps, told, seen), min(width, _WIDTH), 0.0, wrap=True)
        parts += [*(line for lines in table for line in lines), Text()]
    return [*parts, *failure_lines(result.get("error")), ending(result)]


def _noted(steps: Sequence[Step], told: AbstractSet[str], seen: Run | None) -> list[Step]:
    """Return the steps with what was seen on the way, and without what is said elsewhere."""
    before = seen.steps if seen else {}
    noted = []
    for step in steps:
        note = before[step.name].note if step.name in before else None
        noted.append(replace(step, note=None if step.name in told else note or step.note))
    return noted


def _explained(output: Any, steps: Sequence[Step]) -> set[str]:
    """Return the steps whose reason stands beside the output that is missing."""
    if not isinstance(output, dict):
        return set()
    causes = (_cause(name, output, steps) for name, value in output.items() if value is None)
    return {step.name for step in causes if step is not None}


def ending(result: Mapping[str, Any]) -> Text:
    """Return the last line: how it ended, how long it took, what it cost, which run it was."""
    status = str(result.get("status") or "")
    mark, style = look(status)
    line = Text().append(f"{mark} {clean(status)}", style)
    duration = result.get("total_duration_ms")
    if isinstance(duration, int | float):
        line.append(f" in {seconds(duration / 1000)}")
    line.append(f" · {total(result.get('total_cost_usd'), result.get('known_cost_usd'))}")
    return line.append(f" · {clean(result.get('execution_id', ''))}", "dim")


def failure_lines(error: object) -> list[Text]:
    """Return why a run failed: one line, and one for each provider that was tried."""
    if not isinstance(error, dict):
        return []
    step = f"step {error['step']}: " if error.get("step") else ""
    code = f" [{error['code']}]" if error.get("code") else ""
    message = error.get("message") or error.get("code") or "no reason given"
    style = look("cancelled").style if error.get("code") == "cancelled" else "bold red"
    lines = [Text(clean(f"{step}{message}{code}", one_line=True), style)]
    candidates = error.get("candidates") or []
    if [candidate.get("message") for candidate in candidates] == [message]:
        return lines  # the only one that was asked has said it
    for candidate in candidates:
        who = "/".join(str(candidate[key]) for key in ("provider", "model") if candidate.get(key))
        why = f"{candidate.get('message') or ''} [{candidate.get('code') or '?'}]".strip()
        line = Text("  ").append(clean(who, one_line=True), "bold")
        lines.append(line.append(f"  {clean(why, one_line=True)}", "red"))
    return lines


def _section(
    name: str, value: Any, output: Mapping[str, Any], steps: Sequence[Step]
) -> list[RenderableType]:
    title = Text(clean(name, one_line=True).replace("_", " ").capitalize(), "bold underline")
    if value is None:
        return [Text.assemble(title, f"  {ABSENT}  ", (why_null(name, output, steps), "dim"))]
    line, body = _body(value, output)
    if line is not None:
        title = Text.assemble(title, "  ", line)
    return [title, *body]


def _body(value: Any, output: Mapping[str, Any]) -> tuple[Text | None, list[RenderableType]]:
    """Return what stands beside an output's title, and what stands below."""
    if _is_conversation(value):
        return None, conversation(value)
    if isinstance(value, str):
        return None, bullets(value)
    return _object(value, output) if isinstance(value, dict) else (None, _json(value))


def _object(
    value: Mapping[str, Any], output: Mapping[str, Any]
) -> tuple[Text | None, list[RenderableType]]:
    if isinstance(value.get("entities"), list):
        return _redactions(value["entities"]), _text_not_shown(value, output)
    if "label" in value and "score" in value:
        return mood(value, _segments_of(output))
    if _is_conversation(value.get("segments")):
        return _recording(value), conversation(value["segments"])
    if set(value) <= {"text", "data", "finish_reason"} and isinstance(value.get("text"), str):
        return _prose(value)
    if isinstance(value.get("text"), str) and "duration_seconds" in value:
        return _recording(value), paragraphs(value["text"])
    return None, _json(value)


def _prose(value: Mapping[str, Any]) -> tuple[Text | None, list[RenderableType]]:
    cut = value.get("finish_reason") in {"length", "max_tokens"}
    line = Text("cut off at the limit of tokens", "yellow") if cut else None
    if value.get("data") is not None:
        return line, _json(value["data"])
    return line, bullets(value["text"])


def _redactions(entities: Sequence[Any]) -> Text:
    types: dict[str, int] = {}
    for entity in entities:
        kind = str(entity.get("type")) if isinstance(entity, dict) else "?"
        types[kind] = types.get(kind, 0) + 1
    if not types:
        return Text("nothing to redact")
    ranked = sorted(types.items(), key=lambda item: -item[1])
    parts = ", ".join(f"{number} {clean(kind, one_line=True)}" for kind, number in ranked)
    return Text(f"{count(len(entities), 'redaction')}: {parts}")


def _text_not_shown(value: Mapping[str, Any], output: Mapping[str, Any]) -> list[RenderableType]:
    """Return the redacted text, unless the transcript beside it is that text."""
    if _segments_of(output):
        return []
    if _is_conversation(value.get("segments")):
        return conversation(value["segments"])
    return [indented(marked(str(value.get("text") or "")))]


def _recording(value: Mapping[str, Any]) -> Text | None:
    facts = [str(value["language"])] if value.get("language") else []
    if isinstance(value.get("duration_seconds"), int | float):
        facts.append(seconds(value["duration_seconds"]))
    return Text(clean(", ".join(facts)), "dim") if facts else None


def _segments_of(output: Mapping[str, Any]) -> list[Any]:
    """Return the segments of the conversation that is among the outputs."""
    for value in output.values():
        redacted = isinstance(value, dict) and "entities" in value
        segments: Any = value.get("segments") if isinstance(value, dict) else value
        if not redacted and _is_conversation(segments):
            return list(segments)
    return []


def _is_conversation(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and isinstance(item.get("text"), str) for item in value)
        and all("start" in item for item in value)
    )


def _json(value: Any) -> list[RenderableType]:
    return [indented(JSONHighlighter()(to_json(value)))]


def why_null(name: str, output: Mapping[str, Any], steps: Sequence[Step]) -> str:
    """Return why an output is null, as far as the steps tell."""
    step = _cause(name, output, steps)
    if step is None:
        return "no value"
    why = clean(step.note or "", one_line=True)
    return f"{step.status}: {why}" if why else step.status


def _cause(name: str, output: Mapping[str, Any], steps: Sequence[Step]) -> Step | None:
    """Return the step that gave no value: by its name, else by its place among such steps."""
    idle = [step for step in steps if step.status in {"skipped", "failed", "cancelled"}]
    nulls = [key for key, value in output.items() if value is None]
    step = next((step for step in idle if _akin(step.name, name)), None)
    if step is None and len(nulls) == len(idle):
        step = idle[nulls.index(name)]
    return step


def _akin(step: str, output: str) -> bool:
    """Whether names such as `summarize` and `summary`, `coach` and `coaching` belong together."""
    stem = min(len(step), len(output), 5)
    return step == output or (stem > 3 and step[:stem] == output[:stem])  # noqa: PLR2004 - a stem
