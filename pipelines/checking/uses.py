"""Every expression of a definition, where it stands, and what is wrong with it there."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from cel_expr_python import cel

from pipelines.checking.cel_check import ExpressionChecker
from pipelines.checking.cel_tokens import ELSEWHERE, Problem, Token, free_names, tokens_of
from pipelines.checking.cel_types import describe
from pipelines.checking.feeding import misfit, never_json
from pipelines.checking.findings import Finding, Path
from pipelines.checking.input_schemas import InputKeys
from pipelines.checking.located_templates import (
    MAX_LENGTH,
    is_one_expression,
    located_expressions,
    texts_in,
)
from pipelines.checking.outline import Outline, StepOutline
from pipelines.checking.request_check import key_findings
from pipelines.checking.scopes import Scope, output_scope, step_scope, type_of
from pipelines.vocabulary import FOR_EACH_NAMES, RESERVED

MAX_EXPRESSIONS = 1_000
MAX_TOKENS = 10_000
MAX_CHARACTERS = 100_000
"""Bounds of all expressions of one definition together, so that checking takes no longer than it
should."""

_WANTED = {"BOOL": "true or false", "LIST": "a list"}


@dataclass(frozen=True)
class Use:
    """One expression at one place.

    Attributes:
        path: Of the text that it stands in.
        offset: Of its first character in that text.
        source: The expression.
        scope: The names that it may use.
        step: The step that it belongs to.
        wanted: What it must give.
        place: Where its value goes in the step's request; empty where it doesn't.
    """

    path: Path
    offset: int
    source: str
    scope: Scope
    step: StepOutline | None = None
    wanted: Literal["BOOL", "LIST"] | None = None
    place: Path = ()


def expression_findings(output: Any, outline: Outline, inputs: InputKeys) -> Iterator[Finding]:
    """Find everything that is wrong with the expressions of a definition.

    Args:
        output: The definition's.
        outline: Its steps.
        inputs: The keys of its input.
    """
    read: list[tuple[Use, list[Token]]] = []
    characters = words = 0
    for use in _uses(output, outline, inputs):
        if isinstance(use, Finding):
            yield use
            continue
        tokens = tokens_of(use.source)
        if isinstance(tokens, Problem):
            yield Finding(use.path, tokens.message, use.offset + tokens.offset)
            words += len(use.source) // 10
        else:
            read.append((use, tokens))
            words += len(tokens)
        characters += len(use.source)
        if len(read) > MAX_EXPRESSIONS or words > MAX_TOKENS or characters > MAX_CHARACTERS:
            yield Finding(
                use.path,
                f"All expressions of a definition are at most {MAX_EXPRESSIONS}, with at most "
                f"{MAX_TOKENS} words and signs and {MAX_CHARACTERS} characters.",
            )
            return
    names = {name.text for _, tokens in read for name in free_names(tokens)} - RESERVED
    check = ExpressionChecker({name: type_of(name, outline, inputs) for name in sorted(names)})
    for use, tokens in read:
        yield from _findings(use, tokens, check)


def _uses(output: Any, outline: Outline, inputs: InputKeys) -> Iterator[Use | Finding]:
    for step in outline.steps:
        if items := step.text("for_each"):
            outer = step_scope(step, outline, inputs, binds=False)
            yield Use(("steps", step.index, "for_each"), 0, items, outer, wanted="LIST")
        yield from _uses_of(step, step_scope(step, outline, inputs))
    scope = output_scope(outline, inputs)
    for key, source in output.items() if isinstance(output, dict) else ():
        if isinstance(source, str) and source:
            yield Use(("output", key), 0, source, scope)


def _uses_of(step: StepOutline, scope: Scope) -> Iterator[Use | Finding]:
    path: Path = ("steps", step.index)
    if condition := step.text("when"):
        yield Use((*path, "when"), 0, condition, scope, step, "BOOL")
    params = step.mapping("params")
    for key, source in step.mapping("input").items():
        if isinstance(source, str) and source:
            place = () if key in params else (key,)
            yield Use((*path, "input", key), 0, source, scope, step, place=place)
    if scope.binds and (name := step.text("input")) in FOR_EACH_NAMES:
        yield Use((*path, "input"), 0, str(name), scope, step)
    for inside, text in texts_in(params, ()):
        yield from _uses_in(text, inside, (*path, "params", *inside), scope, step)


def _uses_in(
    text: str, place: Path, path: Path, scope: Scope, step: StepOutline
) -> Iterator[Use | Finding]:
    mixed = False
    for part in located_expressions(text):
        if isinstance(part, Problem):
            yield Finding(path, part.message, part.offset)
            return
        mixed = not is_one_expression(text, *part)
        yield Use(path, *part, scope, step, place=() if mixed else place)
    if mixed and step.capability and (message := misfit(step.capability, place, "STRING")):
        yield Finding(path, message, 0)


def _findings(use: Use, tokens: list[Token], check: ExpressionChecker) -> Iterator[Finding]:
    if len(use.source) > MAX_LENGTH:
        return  # too long by its form
    names = [name for name in free_names(tokens) if not _is_known(name.text, use.scope)]
    foreign = [name for name in names if name.text in ELSEWHERE]
    for name in foreign or names:
        message = partial(use.scope.explain, name.text)
        yield Finding(use.path, message, use.offset + name.start)
    if foreign:
        return  # what follows from them helps nobody
    checked = check.check(use.source, tokens, _item(use.step, check))
    for problem in checked.problems:
        yield Finding(use.path, problem.message, use.offset + problem.offset)
    kind = checked.type.name()
    if use.wanted and kind != "DYN" and not kind.startswith(use.wanted):
        wanted = f"'{use.path[-1]}' must give {_WANTED[use.wanted]}, this gives {describe(kind)}."
        yield Finding(use.path, wanted, 0)
    if not checked.problems:
        yield from _value_findings(use, kind)


def _is_known(name: str, scope: Scope) -> bool:
    return (name in RESERVED and name not in FOR_EACH_NAMES) or scope.has(name)


def _value_findings(use: Use, kind: str) -> Iterator[Finding]:
    """Find what a value of this type can't be at its place."""
    wrong = list(_request_findings(use, kind))
    if not (wrong or use.wanted) and (unwritable := never_json(kind)):
        wrong = [Finding(use.path, f"JSON can't hold {unwritable}, which this gives.", use.offset)]
    yield from wrong


def _request_findings(use: Use, kind: str) -> Iterator[Finding]:
    """Find what a value of this type can't be in the request of its step."""
    if use.step is None or (capability := use.step.capability) is None:
        return
    if use.place and (message := misfit(capability, use.place, kind)):
        yield Finding(use.path, message, 0)
    if use.path[-1] == "input":
        params = use.step.mapping("params")
        yield from key_findings(capability, use.source, kind, params, use.path[:-1])


def _item(step: StepOutline | None, check: ExpressionChecker) -> cel.Type | None:
    items = step.text("for_each") if step else None
    return check.item_type(items) if items else None
