"""Pipelines of a few steps, and what they are estimated to cost."""

from collections.abc import Mapping
from typing import Any

from pipelines.check import define
from pipelines.estimate import estimate
from pipelines.model import PipelineDefinition
from providers.types import Capability, Offer
from tests.offers import registry

Figures = tuple[str | None, str | None, str | None]
"""Best, expected and worst case."""


def step(name: str, capability: Capability, **fields: Any) -> dict[str, Any]:
    return {"name": name, "capability": capability.value, **fields}


def pipeline(*steps: Mapping[str, Any], **fields: Any) -> PipelineDefinition:
    return define({"name": "a_pipeline", "steps": list(steps), **fields})


def costs(found: Any) -> Figures:
    best, expected, worst = (
        None if cost is None else format(cost.normalize(), "f")
        for cost in (found.best_case_usd, found.estimated_cost_usd, found.worst_case_usd)
    )
    return best, expected, worst


def of_one(
    fields: dict[str, Any], data: dict[str, Any] | None, *offers: Offer, **named: Any
) -> tuple[Figures, str | None]:
    """Estimate a pipeline of one step; return the step's figures and its reason."""
    capability = offers[0].capability
    found = estimate(pipeline(step("one", capability, **fields)), data, registry(*offers), **named)
    return costs(found.steps[0]), found.steps[0].reason
