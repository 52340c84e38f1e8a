"""Writes a definition as a Mermaid flowchart.

Its syntax: https://mermaid.js.org/syntax/flowchart.html (read 2026-11-24). A label stands in
quotes, and every character that means something to Mermaid, to HTML, to the renderer's mathematics
or to a terminal is written as its number.
"""

import string
from collections.abc import Iterator

from pipelines.graph import edges, marks_of
from pipelines.model import PipelineDefinition, StepDefinition

_LONGEST_MARK = 80
_HARMLESS = frozenset(string.ascii_letters + string.digits + " _.,()[]{}+*/=!?'|-")
_MERMAIDS_OWN = frozenset("\ufb02\xb6")  # it brackets an escaped number with these


def to_mermaid(definition: PipelineDefinition) -> str:
    """Write the flowchart: what may be skipped has another shape and a dotted edge."""
    lines = ["---", f"title: {definition.id}", "---", "flowchart TD"]
    ids = {step.name: f"s{place}" for place, step in enumerate(definition.steps)}
    lines += [f"    {ids[step.name]}{_shape(step)}" for step in definition.steps]
    uncertain = {step.name for step in definition.steps if _is_uncertain(step)}
    for before, after in edges(definition):
        arrow = "-.->" if after in uncertain else "-->"
        lines.append(f"    {ids[before]} {arrow} {ids[after]}")
    optional = [ids[step.name] for step in definition.steps if step.optional]
    if optional:
        lines.append("    classDef optional stroke-dasharray: 5 5")
        lines.append(f"    class {','.join(optional)} optional")
    return "\n".join(lines) + "\n"


def _is_uncertain(step: StepDefinition) -> bool:
    return step.optional or bool(step.when) or "when" in step.code


def _shape(step: StepDefinition) -> str:
    label = f'"{"<br/>".join(_escaped(line) for line in _label(step))}"'
    if step.when or "when" in step.code:
        return f"{{{{{label}}}}}"
    if step.for_each:
        return f"[[{label}]]"
    return f"([{label}])" if step.optional else f"[{label}]"


def _label(step: StepDefinition) -> Iterator[str]:
    yield step.name
    yield step.capability
    if step.providers:
        yield ", ".join(step.providers)
    for mark in marks_of(step):
        words = " ".join(mark.split())
        yield words if len(words) <= _LONGEST_MARK else f"{words[: _LONGEST_MARK - 1]}…"


def _escaped(text: str) -> str:
    return "".join(sign if _is_plain(sign) else f"#{ord(sign)};" for sign in text)


def _is_plain(sign: str) -> bool:
    other = not sign.isascii() and sign.isprintable() and sign not in _MERMAIDS_OWN
    return sign in _HARMLESS or other
