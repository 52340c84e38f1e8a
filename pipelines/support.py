"""What a definition may say and this version does not do yet: refused, never ignored."""

from collections.abc import Iterator

from pipelines.errors import InvalidDefinition, Mistake
from pipelines.model import PipelineDefinition, StepDefinition


def check_supported(definition: PipelineDefinition) -> None:
    """Refuse what the interpreter would ignore.

    Raises:
        InvalidDefinition: with every setting that is not supported yet.
    """
    if mistakes := [*_unsupported(definition)]:
        raise InvalidDefinition(mistakes)


def _unsupported(definition: PipelineDefinition) -> Iterator[Mistake]:
    if definition.on_budget_exceeded != "fail":
        yield _mistake("/on_budget_exceeded", f"pipeline '{definition.id}'")
    for place, step in enumerate(definition.steps):
        for name in _unsupported_of(step):
            owner = f"step '{step.name}' of pipeline '{definition.id}'"
            yield _mistake(f"/steps/{place}/{name}", owner)


def _mistake(pointer: str, owner: str) -> Mistake:
    """Say whose setting it is: who runs a pipeline may not have written it."""
    setting = pointer.rpartition("/")[2]
    return Mistake(pointer, f"'{setting}' of {owner} is not supported yet: leave it out.")


def _unsupported_of(step: StepDefinition) -> Iterator[str]:
    if step.compensate is not None or "compensate" in step.code:
        yield "compensate"
