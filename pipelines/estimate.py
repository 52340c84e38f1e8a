"""What a run will cost: for each step who would be asked, at which price, best and worst case.

The expected case is that each step's first candidate answers at its first attempt; attempts that
fail are no part of any figure. The best case takes the cheapest candidate and the shortest answer,
and leaves out what may be skipped; the worst is an upper bound for the dearest candidate. Unknown
is null with the reason, except where it does not matter, as for a candidate that is free.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from graphlib import TopologicalSorter
from typing import Any

from pipelines.estimating.costs import NO_COST, Costs, Pricing, costs_of, total
from pipelines.estimating.foresight import Context, foresee_request
from pipelines.estimating.plan import MAX_CALLS, StepPlan, items_of, plan_step
from pipelines.estimating.speech import Recording
from pipelines.estimating.work import SPEECH
from pipelines.model import PipelineDefinition, StepDefinition
from providers.types import Capability, CostUnit, Money, Offer, TokenPrices, Value


class PriceBasis(Value):
    """What makes the cost besides the price of a unit.

    Attributes:
        token_prices: USD per million tokens, one list for each threshold of the request's length.
        diarization_usd: What telling voices apart costs more for each unit, where it is sold.
        source: Where the price comes from, or why there is none.
    """

    token_prices: tuple[TokenPrices, ...]
    diarization_usd: Money | None
    source: str


class CandidateEstimate(Value):
    """What a step costs with one candidate; null is explained by `reason`.

    Attributes:
        price: USD per `cost_unit`, as in the list of providers; null when unknown. For tokens that
            of one uncached input token of a short request, while the `price_basis` makes the cost.
    """

    provider: str
    model: str
    available: bool
    cost_unit: CostUnit
    price: Money | None
    price_basis: PriceBasis
    best_case_usd: Money | None
    estimated_cost_usd: Money | None
    worst_case_usd: Money | None
    reason: str | None


class StepEstimate(Value):
    """What a step costs; null is explained by `reason`.

    Attributes:
        calls: How many items a `for_each` has; 1 without, null when unknown.
        chain: Who is asked, in order, and after them who could be if they were available.
    """

    name: str
    capability: Capability
    calls: int | None
    chain: tuple[CandidateEstimate, ...]
    best_case_usd: Money | None
    estimated_cost_usd: Money | None
    worst_case_usd: Money | None
    reason: str | None


class Estimate(Value):
    """What a run costs; null when a part is unknown.

    Attributes:
        known_cost_usd: The part of the expected cost that is known.
        reason: What is unknown and why, step by step.
    """

    best_case_usd: Money | None
    estimated_cost_usd: Money | None
    worst_case_usd: Money | None
    known_cost_usd: Money
    reason: str | None
    steps: tuple[StepEstimate, ...]

    @property
    def reservation_usd(self) -> Decimal:
        """What to reserve: each step's worst case where it has one, else its expected cost.

        A step of which neither is known reserves nothing.
        """
        return sum((_reserve(step) or Decimal(0) for step in self.steps), Decimal(0))

    @property
    def is_reservation_known(self) -> bool:
        """Whether that is all, as far as can be told."""
        return all(_reserve(step) is not None for step in self.steps)


def estimate(
    definition: PipelineDefinition,
    input_data: Mapping[str, Any] | None,
    pricing: Pricing,
    recordings: Mapping[str, Recording | None] | None = None,
) -> Estimate:
    """Tell what a run will cost.

    Args:
        definition: What would run; it has been checked.
        input_data: On what; without it only what does not depend on it is known.
        pricing: Who would be asked, and what they charge.
        recordings: What those of `recordings_of` that were looked at say of themselves; null
            where one does not.
    """
    context = Context.of(definition, input_data)
    steps: dict[str, StepEstimate] = {}
    calls_left = MAX_CALLS
    for step in _in_order(definition):
        plan = plan_step(step, context, recordings or {}, calls_left)
        steps[step.name] = found = _estimate_step(plan, pricing)
        calls_left -= found.calls or 0
        context = _after(plan, found, context)
    return _add_up([steps[step.name] for step in definition.steps])


def is_charged(definition: PipelineDefinition, pricing: Pricing) -> bool:
    """Tell whether anybody who may be asked charges anything."""
    return any(
        offer.cost_unit is not CostUnit.FREE
        for step in definition.steps
        for offer in _chain(step, pricing)
    )


def recordings_of(definition: PipelineDefinition, input_data: Mapping[str, Any]) -> Iterator[str]:
    """List the addresses of the recordings that a run will read, as far as they are known."""
    context = Context.of(definition, input_data)
    for step in definition.steps:
        if step.capability in SPEECH:
            items = items_of(step, context, MAX_CALLS)
            for item in () if isinstance(items, str) else items:
                url = foresee_request(step, item).get("audio_url")
                if isinstance(url, str):
                    yield url


def _reserve(step: StepEstimate) -> Decimal | None:
    return step.estimated_cost_usd if step.worst_case_usd is None else step.worst_case_usd


def _in_order(definition: PipelineDefinition) -> Sequence[StepDefinition]:
    """Return the steps so that each comes after those that it needs."""
    by_name = {step.name: step for step in definition.steps}
    needs = {step.name: definition.needs_of(step) for step in definition.steps}
    return [by_name[name] for name in TopologicalSorter(needs).static_order()]


def _after(plan: StepPlan, found: StepEstimate, context: Context) -> Context:
    """Return what the steps after this one may name."""
    step = plan.step
    nobody = not any(candidate.available for candidate in found.chain)
    if plan.wanted is False or (nobody and step.optional):
        return context.knowing(**{step.output_key: None})
    return context.foreseeing(step.output_key, plan.response)


def _chain(step: StepDefinition, pricing: Pricing) -> Sequence[Offer]:
    return pricing.build_fallback_chain(
        step.capability, max_fallbacks=step.fallback.max_fallbacks, preferred=step.providers
    )


def _estimate_step(plan: StepPlan, pricing: Pricing) -> StepEstimate:
    step = plan.step
    asked = [(offer, _costs(offer, plan, pricing)) for offer in _chain(step, pricing)]
    others = [
        (offer, Costs.unknown(offer.reason))
        for offer in pricing.get_providers_for_capability(step.capability)
        if not offer.available
    ]
    costs = _costs_of_step(plan, asked)
    return StepEstimate(
        name=step.name,
        capability=step.capability,
        calls=None if plan.works is None else len(plan.works),
        chain=tuple(_candidate(offer, costs) for offer, costs in [*asked, *others]),
        best_case_usd=costs.best,
        estimated_cost_usd=costs.expected,
        worst_case_usd=costs.worst,
        reason=costs.reason,
    )


def _costs(offer: Offer, plan: StepPlan, pricing: Pricing) -> Costs:
    if plan.works is None:
        return NO_COST if offer.cost_unit is CostUnit.FREE else Costs.unknown(plan.reason)
    return costs_of(offer, plan.works, pricing)


def _candidate(offer: Offer, costs: Costs) -> CandidateEstimate:
    return CandidateEstimate(
        provider=offer.provider,
        model=offer.model,
        available=offer.available,
        cost_unit=offer.cost_unit,
        price=offer.price,
        price_basis=PriceBasis(
            token_prices=offer.token_prices,
            diarization_usd=offer.diarization_price,
            source=offer.price_source,
        ),
        best_case_usd=costs.best,
        estimated_cost_usd=costs.expected,
        worst_case_usd=costs.worst,
        reason=costs.reason,
    )


def _costs_of_step(plan: StepPlan, asked: Sequence[tuple[Offer, Costs]]) -> Costs:
    step = plan.step
    if plan.wanted is False:
        return NO_COST._replace(reason="It is skipped: its 'when' is false for this input.")
    if not asked:
        nobody = f"No provider of {step.capability} is available."
        return (
            NO_COST._replace(reason=f"It is skipped: {nobody}")
            if step.optional
            else Costs.unknown(nobody)
        )
    bests = [costs.best for _, costs in asked]
    # Nothing is less than nothing, whatever the others cost.
    may_be_nothing = step.optional or plan.wanted is None or Decimal(0) in bests
    return Costs(
        best=Decimal(0) if may_be_nothing else _choose(min, bests),
        expected=asked[0][1].expected,
        worst=_choose(max, [costs.worst for _, costs in asked]),
        reason=_reason(asked),
    )


def _reason(asked: Sequence[tuple[Offer, Costs]]) -> str | None:
    """Say why a case is unknown, and with whom where that is not the first candidate."""
    first = asked[0][1].reason
    vague = (
        f"{offer.provider}/{offer.model}: {costs.reason}"
        for offer, costs in asked[1:]
        if costs.reason
    )
    return first or next(vague, None)


def _choose(
    choose: Callable[[list[Decimal]], Decimal], costs: Sequence[Decimal | None]
) -> Decimal | None:
    """Choose among costs; unknown when one of them is."""
    known = [cost for cost in costs if cost is not None]
    return choose(known) if len(known) == len(costs) else None


def _add_up(steps: Sequence[StepEstimate]) -> Estimate:
    unknown: dict[str | None, list[str]] = {}
    for step in steps:
        if step.estimated_cost_usd is None or step.worst_case_usd is None:
            unknown.setdefault(step.reason, []).append(step.name)
    expected = [step.estimated_cost_usd for step in steps]
    return Estimate(
        best_case_usd=total((step.best_case_usd, 1) for step in steps),
        estimated_cost_usd=total((cost, 1) for cost in expected),
        worst_case_usd=total((step.worst_case_usd, 1) for step in steps),
        known_cost_usd=sum((cost for cost in expected if cost is not None), Decimal(0)),
        reason=" ".join(f"{', '.join(names)}: {why}" for why, names in unknown.items()) or None,
        steps=tuple(steps),
    )
