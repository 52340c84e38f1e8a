"""How a step's request is made from the run's context."""

from collections.abc import Mapping
from typing import Any

from pipelines.expressions import evaluate, names_in
from pipelines.model import StepDefinition
from pipelines.templates import expressions_in, render
from providers.types import REQUESTS


def names_used(step: StepDefinition, context: Mapping[str, Any]) -> tuple[str, ...]:
    """Tell which keys of the context the step's request is made from."""
    names: set[str] = set()
    expressions = list(expressions_in(step.params))
    if isinstance(step.input, str):
        names.add(step.input)
    elif step.input is None:
        names.update(REQUESTS[step.capability].model_fields)
    else:
        expressions += step.input.values()
    for expression in expressions:
        names.update(names_in(expression, context))
    return tuple(name for name in context if name in names)


def build_request(step: StepDefinition, context: Mapping[str, Any]) -> dict[str, Any]:
    """Make the fields of the capability's request.

    With `input` as a key, an object passes the fields that the request has, anything else becomes
    the request's first field; with a mapping each field is its expression's value; without, the
    fields come from the context by their names. `params` win.

    Raises:
        ExpressionError: An expression can't be evaluated.
    """
    params: dict[str, Any] = render(step.params, context)
    return _from_input(step, context) | params


def _from_input(step: StepDefinition, context: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(step.input, dict):
        return {name: evaluate(source, context) for name, source in step.input.items()}
    fields = list(REQUESTS[step.capability].model_fields)
    value = context if step.input is None else context.get(step.input)
    if isinstance(value, Mapping):
        return {name: value[name] for name in fields if value.get(name) is not None}
    return {} if value is None else {fields[0]: value}
