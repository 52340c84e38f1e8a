"""What a definition means: names, order, bounds, expressions, requests.

Takes the document as it is written and looks at every part that has the right form.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from pipelines.checking.feeding import Passing, passed_by_names
from pipelines.checking.findings import Finding, Path
from pipelines.checking.input_schemas import input_keys, schema_findings
from pipelines.checking.outline import Outline, StepOutline
from pipelines.checking.request_check import (
    constant_findings,
    field_findings,
    key_findings,
    lacking,
)
from pipelines.checking.scopes import Scope, step_scope, type_of
from pipelines.checking.uses import expression_findings
from pipelines.model import RetryPolicy
from pipelines.vocabulary import FOR_EACH_NAMES, RESERVED, Vocabulary, hint
from providers.types import REQUESTS, Capability


def meaning_findings(value: dict[str, Any], vocabulary: Vocabulary | None) -> Iterator[Finding]:
    """Find everything that is wrong with a definition's meaning, as long as somebody asks."""
    yield from _Meaning(value, vocabulary).findings()


class _Meaning:
    """One pass over one definition."""

    def __init__(self, value: Any, vocabulary: Vocabulary | None) -> None:
        self._value = value
        self._vocabulary = vocabulary
        self._outline = Outline(value)
        self._inputs = input_keys(value.get("input_schema", {}))

    def findings(self) -> Iterator[Finding]:
        schema = self._value.get("input_schema")
        if isinstance(schema, dict):
            yield from schema_findings(schema, ("input_schema",))
            for name, place in self._inputs.reserved:
                yield from _reserved("an input key", name, ("input_schema", *place))
        yield from self._names()
        yield from self._order()
        for step in self._outline.steps:
            yield from self._vocabulary_of(step)
            yield from _bounds(step)
        yield from self._requests()
        yield from self._output_names()
        yield from expression_findings(self._value.get("output"), self._outline, self._inputs)

    def _names(self) -> Iterator[Finding]:
        for step in self._outline.steps:
            path: Path = ("steps", step.index)
            first = self._outline.by_name.get(step.name or "", step)
            if first is not step:
                message = f"There is a step '{step.name}' already; step names are unique."
                yield Finding((*path, "name"), message)
            if step.name:
                yield from _reserved("a step", step.name, (*path, "name"))
            yield from self._output_name(step, first is step)

    def _output_name(self, step: StepOutline, has_own_name: bool) -> Iterator[Finding]:
        output, written = step.output, step.text("output")
        if not output or (not written and not has_own_name):
            return
        path: Path = ("steps", step.index, "output" if written else "name")
        if written and written != step.name:
            yield from _reserved("an output", written, path)
        if (maker := self._outline.makers[output]) is not step:
            yield Finding(path, f"The output '{output}' is made by step '{maker.name}' already.")
        if output in self._inputs.types:
            yield Finding(path, f"The output '{output}' would hide the input's key '{output}'.")

    def _order(self) -> Iterator[Finding]:
        by_name = self._outline.by_name
        for step in self._outline.steps:
            for place, name in step.needs or ():
                if name not in by_name:
                    path: Path = ("steps", step.index, "needs", place)
                    yield Finding(path, partial(self._unknown_step, name))
        for cycle in self._outline.cycles():
            writer = next(step for step in cycle if step.needs is not None)
            way = " → ".join(str(step.name) for step in cycle)
            yield Finding(("steps", writer.index, "needs"), f"Steps wait for one another: {way}.")

    def _unknown_step(self, name: str) -> str:
        if maker := self._outline.makers.get(name):
            return f"'{name}' is an output; the step that makes it is called '{maker.name}'."
        return f"There is no step '{name}'.{hint(name, self._outline.by_name)}"

    def _vocabulary_of(self, step: StepOutline) -> Iterator[Finding]:
        if self._vocabulary is None:
            return
        known = self._vocabulary.providers
        providers = step.raw.get("providers")
        for place, name in enumerate(providers if isinstance(providers, list) else []):
            path: Path = ("steps", step.index, "providers", place)
            if not isinstance(name, str):
                continue
            if name not in known:
                yield Finding(path, f"Unknown provider '{name[:40]}'.{hint(name, known)}")
            elif step.capability and step.capability not in known[name]:
                able = [other for other in sorted(known) if step.capability in known[other]]
                those = f" These do: {', '.join(able)}." if able else ""
                yield Finding(path, f"'{name}' does not offer {step.capability}.{those}")
        name, compensations = step.text("compensate"), self._vocabulary.compensations
        if name and name not in compensations:
            message = f"Unknown compensation '{name[:40]}'.{hint(name, compensations)}"
            yield Finding(("steps", step.index, "compensate"), message)

    def _requests(self) -> Iterator[Finding]:
        for step in self._outline.steps:
            yield from self._request(step)

    def _request(self, step: StepOutline) -> Iterator[Finding]:
        path: Path = ("steps", step.index)
        scope = step_scope(step, self._outline, self._inputs)
        key, params = step.text("input"), step.mapping("params")
        if key and not scope.has(key):
            yield Finding((*path, "input"), partial(scope.explain, key), 0)
        if (capability := step.capability) is None:
            return
        yield from field_findings(capability, params, (*path, "params"))
        yield from field_findings(capability, step.mapping("input"), (*path, "input"))
        yield from constant_findings(capability, params, (*path, "params"))
        if key and key not in FOR_EACH_NAMES and scope.has(key):
            kind = type_of(key, self._outline, self._inputs).name()
            yield from key_findings(capability, key, kind, params, path)
        elif not key:
            passing = self._passing(step, capability, scope)
            message = passing and lacking(capability, passing.fields.union(params))
            if passing and message:
                yield Finding(path, passing.dropped or message)

    def _passing(self, step: StepOutline, capability: Capability, scope: Scope) -> Passing | None:
        """Tell what a step without a key gives to its request; none when that can't be told."""
        written = step.raw.get("input")
        if isinstance(written, dict):
            return Passing(set(written))
        if written is not None or scope.is_open:
            return None
        others = REQUESTS[capability].model_fields.keys() - step.mapping("params").keys()
        known = filter(scope.has, others)
        kinds = {name: type_of(name, self._outline, self._inputs).name() for name in known}
        return passed_by_names(capability, kinds)

    def _output_names(self) -> Iterator[Finding]:
        output = self._value.get("output")
        for name in output if isinstance(output, dict) else ():
            yield from _reserved("an output", name, ("output", name), at_key=True)


def _reserved(what: str, name: str, path: Path, *, at_key: bool = False) -> Iterator[Finding]:
    if name in RESERVED:
        message = f"'{name}' is reserved in expressions and can't be the name of {what}."
        yield Finding(path, message, at_key=at_key)


def _bounds(step: StepOutline) -> Iterator[Finding]:
    retry = step.mapping("retry")
    default = RetryPolicy()
    first = retry.get("initial_interval", default.initial_interval)
    longest = retry.get("max_interval", default.max_interval)
    if isinstance(first, int | float) and isinstance(longest, int | float) and longest < first:
        key = "max_interval" if "max_interval" in retry else "initial_interval"
        message = f"'max_interval' {longest:g} is shorter than 'initial_interval' {first:g}."
        yield Finding(("steps", step.index, "retry", key), message)
