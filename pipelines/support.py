"""What a definition may say and this version does not do yet: refused, never ignored."""

from collections.abc import Iterator

from pipelines.errors import InvalidDefinition, Mistake
from pipelines.model import PipelineDefinition, StepDefinition


def check_supported(definition: PipelineDefinition) -> None:
    """Refuse what the interpreter would ignore.

    Raises:
        InvalidDefinition: with every setting that is not supported yet.
    """
    mistakes = [
        Mistake(pointer, f"'{pointer.rpartition('/')[2]}' is not supported yet. Leave it out.")
        for pointer in _unsupported(definition)
    ]
    if mistakes:
        raise InvalidDefinition(mistakes)


def _unsupported(definition: PipelineDefinition) -> Iterator[str]:
    if definition.max_cost_usd is not None:
        yield "/max_cost_usd"
    if definition.on_budget_exceeded != "fail":
        yield "/on_budget_exceeded"
    for place, step in enumerate(definition.steps):
        for name in _unsupported_of(definition, place, step):
            yield f"/steps/{place}/{name}"


def _unsupported_of(
    definition: PipelineDefinition, place: int, step: StepDefinition
) -> Iterator[str]:
    before = (definition.steps[place - 1].name,) if place else ()
    if step.needs not in (None, before):
        yield "needs"
    if step.for_each is not None:
        yield "for_each"
    if step.compensate is not None or "compensate" in step.code:
        yield "compensate"
