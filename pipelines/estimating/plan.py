"""A step as far as it is known before the run: whether it runs, how often, on what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.errors import ExpressionError
from pipelines.estimating.foresight import Context, NotForeseen, foresee_request
from pipelines.estimating.sizes import Size
from pipelines.estimating.speech import Recording
from pipelines.estimating.usages import Work
from pipelines.estimating.work import work_of
from pipelines.model import StepDefinition

MAX_CALLS = 1000
"""Calls of one run that are looked at, one for each item of a `for_each`."""


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What is known of a step.

    Attributes:
        wanted: What its `when` says; null when that is known in the run only.
        works: What its calls ask for, one for each item; null when their number is unknown.
        reason: Why it is.
        response: What is foreseen of the response.
    """

    step: StepDefinition
    wanted: bool | None
    works: Sequence[Work] | None
    reason: str | None
    response: Any


def plan_step(
    step: StepDefinition,
    context: Context,
    recordings: Mapping[str, Recording | None],
    most: int,
) -> StepPlan:
    """Look at a step.

    Args:
        step: Which one.
        context: What is known when its turn comes.
        recordings: What is known of recordings, by their addresses.
        most: How many calls may be looked at.
    """
    wanted = _is_wanted(step, context)
    items = items_of(step, context, most)
    if isinstance(items, str):
        return StepPlan(step, wanted, None, items, Size.unknown(items))
    works = [work_of(step.capability, foresee_request(step, item), recordings) for item in items]
    if step.for_each is None:
        response: Any = works[0].response
    else:
        response = Size.unknown(f"The length of all results of '{step.name}' is not known.")
    return StepPlan(step, wanted, works, None, response)


def items_of(step: StepDefinition, context: Context, most: int) -> Sequence[Context] | str:
    """Return what each call of a step may name, or why their number is unknown."""
    if step.for_each is None:
        return [context]
    try:
        items = context.evaluate(step.for_each)
    except (NotForeseen, ExpressionError):
        return "How many items 'for_each' has is known in the run only."
    if not isinstance(items, list):
        return "'for_each' gives no list."
    if len(items) > most:
        return f"More than {MAX_CALLS} calls of one run are not estimated."
    return [context.knowing(item=item, index=index) for index, item in enumerate(items)]


def _is_wanted(step: StepDefinition, context: Context) -> bool | None:
    if "when" in step.code:
        return None
    if step.when is None:
        return True
    try:
        return context.evaluate(step.when) is True
    except NotForeseen:
        return None
    except ExpressionError:
        return False  # as in the run
