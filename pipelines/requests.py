"""How a step's request is made from the run's context."""

from collections.abc import Mapping
from typing import Any

from pipelines.expressions import names_in
from pipelines.model import StepDefinition
from pipelines.templates import expressions_in, render
from providers.types import REQUESTS


def names_used(step: StepDefinition, context: Mapping[str, Any]) -> tuple[str, ...]:
    """Tell which keys of the context the step's request is made from."""
    fields = REQUESTS[step.capability].model_fields
    names = {step.input} if step.input else set(fields)
    for expression in expressions_in(step.params):
        names.update(names_in(expression, context))
    return tuple(name for name in context if name in names)


def build_request(step: StepDefinition, context: Mapping[str, Any]) -> dict[str, Any]:
    """Make the fields of the capability's request.

    With `input`, an object passes the fields that the request has, anything else becomes the
    request's first field; without, the fields come from the context by their names. `params` win.

    Raises:
        ExpressionError: A template in `params` can't be evaluated.
    """
    fields = list(REQUESTS[step.capability].model_fields)
    if step.input is None:
        request = {name: context[name] for name in fields if context.get(name) is not None}
    else:
        value = context.get(step.input)
        if isinstance(value, Mapping):
            request = {name: value[name] for name in fields if value.get(name) is not None}
        elif value is None:
            request = {}
        else:
            request = {fields[0]: value}
    params: dict[str, Any] = render(step.params, context)
    return request | params
