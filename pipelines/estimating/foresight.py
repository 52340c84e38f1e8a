"""What a step's request will hold, as far as it can be told before the run.

The run's input is there; of the outputs only sizes are. So an expression that names no output is
evaluated as the run will evaluate it, one that is an output or a field of one is that field's size,
and any other is unknown. A foreseen value is JSON in which a `Size` stands for each text that is
not there yet, and `Segments` for each list of segments.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipelines.errors import ExpressionError
from pipelines.estimating.sizes import NOTHING, Size
from pipelines.expressions import evaluate, names_in
from pipelines.model import PipelineDefinition, StepDefinition
from pipelines.templates import parts_of
from providers.types import REQUESTS

_PATH = re.compile(r"([A-Za-z_]\w*)(?:\.([A-Za-z_]\w*))?")
_TEXTS = {"audio_url", "messages", "prompt", "segments", "text"}  # what requests are about
_NO_INPUT = Size.unknown("It depends on the run's input.")
_SHOWN = 60  # characters of an expression that a reason repeats


class NotForeseen(Exception):
    """The value takes something that only the run will bring."""


@dataclass(frozen=True, slots=True)
class Segments:
    """Stands for segments whose texts together have this size; null where the number is unknown."""

    size: Size
    count: int | None


@dataclass(frozen=True, slots=True)
class Context:
    """The names that expressions may use.

    Attributes:
        known: Values that are there already.
        foreseen: What is foreseen of the others.
        complete: Whether there are no more names; without the run's input there may be.
    """

    known: Mapping[str, Any]
    foreseen: Mapping[str, Any]
    complete: bool

    @classmethod
    def of(cls, definition: PipelineDefinition, input_data: Mapping[str, Any] | None) -> "Context":
        """Begin with the run's input; without it, with the names that its schema knows."""
        if input_data is not None:
            return cls(input_data, {}, complete=True)
        names = definition.input_schema.get("properties", {})
        return cls({}, dict.fromkeys(names, _NO_INPUT), complete=False)

    def knowing(self, **values: Any) -> "Context":
        """Return the same context with values that are there."""
        return replace(self, known={**self.known, **values})

    def foreseeing(self, name: str, value: Any) -> "Context":
        """Return the same context with an output, of which this is foreseen."""
        return replace(self, foreseen={**self.foreseen, name: value})

    def evaluate(self, source: str) -> Any:
        """Evaluate an expression as the run will.

        Raises:
            NotForeseen: It takes more than is known.
            ExpressionError: Its evaluation ends in an error, and will in the run.
        """
        if names_in(source, self.foreseen):
            raise NotForeseen
        try:
            return evaluate(source, self.known)
        except ExpressionError:
            if self.complete:
                raise
            raise NotForeseen from None

    def foresee(self, source: str) -> Any:
        """Return what an expression will give."""
        path = _PATH.fullmatch(source.strip())
        if path and path[1] in self.foreseen:
            value = self.foreseen[path[1]]
            if path[2] is None:
                return value
            if isinstance(value, Mapping) and path[2] in value:
                return value[path[2]]
        try:
            return self.evaluate(source)
        except NotForeseen:
            return Size.unknown(f"What '{_short(source)}' gives is known in the run only.")
        except ExpressionError:
            return Size.unknown(f"'{_short(source)}' can't be evaluated.")

    def fill(self, template: Any) -> Any:
        """Return what a JSON value with `${…}` in its strings will be."""
        if isinstance(template, str):
            return self._fill_text(template)
        if isinstance(template, Mapping):
            return self.fill_each(template)
        if isinstance(template, list | tuple):
            return [self.fill(value) for value in template]
        return template

    def fill_each(self, template: Mapping[str, Any]) -> dict[str, Any]:
        """Do the same with every value of an object."""
        return {key: self.fill(value) for key, value in template.items()}

    def _fill_text(self, template: str) -> Any:
        parts = [
            self.foresee(part) if is_expression else part
            for part, is_expression in parts_of(template)
        ]
        if len(parts) == 1:
            return parts[0]
        if all(isinstance(part, str) for part in parts):
            return "".join(parts)
        return sum(map(size_as_text, parts), NOTHING)


def foresee_request(step: StepDefinition, context: Context) -> dict[str, Any]:
    """Return the fields of a step's request, made as `pipelines.requests` makes them."""
    request = _from_input(step, context) | context.fill_each(step.params)
    if not request.keys() & _TEXTS:
        subject = next(iter(REQUESTS[step.capability].model_fields))
        lacking = Size.unknown(f"Nothing gives it '{subject}'.")
        request[subject] = lacking if context.complete else _NO_INPUT
    return request


def _from_input(step: StepDefinition, context: Context) -> dict[str, Any]:
    if isinstance(step.input, dict):
        return {name: context.foresee(source) for name, source in step.input.items()}
    fields = list(REQUESTS[step.capability].model_fields)
    names = {**context.known, **context.foreseen}
    value = names if step.input is None else names.get(step.input)
    if isinstance(value, Mapping):
        return {name: value[name] for name in fields if value.get(name) is not None}
    return {} if value is None else {fields[0]: value}


def size_as_text(value: Any) -> Size:
    """Return how long a foreseen value is in the middle of a text, where objects are JSON."""
    if isinstance(value, Size):
        return value
    if isinstance(value, str):
        return Size.exact(value)
    try:
        return Size.exact(json.dumps(value, ensure_ascii=False))
    except TypeError:  # a part of it is not there yet
        return Size.unknown("The length of an object as JSON is known in the run only.")


def _short(source: str) -> str:
    text = " ".join(source.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
