"""What there is: pipelines, capabilities, providers."""

from fastapi import APIRouter

from activities.cooling import target_of
from api.context import ServicesOf, Tenant
from api.problems import not_found
from api.schemas import (
    PREFIX,
    PROBLEMS,
    CapabilityList,
    CapabilitySummary,
    PipelineList,
    PipelineSummary,
    ProviderList,
    ProviderSummary,
)
from pipelines.estimate import estimate
from pipelines.schema import value_schema
from providers.types import REQUESTS, RESPONSES, Capability

router = APIRouter(prefix=PREFIX, tags=["catalog"], responses=PROBLEMS)


@router.get("", include_in_schema=False)
@router.get("/")
async def list_pipelines(services: ServicesOf, tenant: Tenant) -> PipelineList:
    """List the pipelines that can be run, every version of them."""
    return PipelineList(
        pipelines=[
            PipelineSummary(
                name=definition.name,
                version=definition.version,
                description=definition.description,
                capabilities=list(dict.fromkeys(step.capability for step in definition.steps)),
                steps=[step.name for step in definition.steps],
                input_schema=definition.input_schema,
                estimated_cost_usd=estimate(definition, None, services.registry).estimated_cost_usd,
            )
            for definition in await services.catalogue.all(tenant)
        ]
    )


@router.get("/capabilities")
async def list_capabilities(services: ServicesOf) -> CapabilityList:
    """List what can be asked for."""
    capabilities = []
    for capability in Capability:
        offers = services.registry.get_providers_for_capability(capability)
        capabilities.append(
            CapabilitySummary(
                name=capability,
                available=any(offer.available for offer in offers),
                providers=[offer.provider for offer in offers if offer.available],
                request_schema=value_schema(REQUESTS[capability]),
                response_schema=value_schema(RESPONSES[capability]),
            )
        )
    return CapabilityList(capabilities=capabilities)


@router.get("/providers")
async def list_providers(services: ServicesOf) -> ProviderList:
    """List every offer of every provider, unavailable ones with the reason."""
    resting = {one.target: one.until for one in await services.ledger.cooldowns.all()}
    registry = services.registry
    return ProviderList(
        providers=[
            ProviderSummary(
                name=offer.provider,
                capability=offer.capability,
                model=offer.model,
                quality_tier=offer.quality_tier,
                cost_unit=offer.cost_unit,
                price=offer.price,
                available=offer.available,
                reason=offer.reason,
                cooldown_until=resting.get(target_of(offer, registry.adapter(offer.provider))),
                limits=offer.limits,
                caveat=offer.caveat,
            )
            for offer in registry.offers
        ]
    )


@router.delete("/providers/{name}/cooldown", status_code=204)
async def clear_cooldown(name: str, services: ServicesOf) -> None:
    """Let a provider be asked again at once, by every worker within two seconds."""
    known = sorted({offer.provider for offer in services.registry.offers})
    if name not in known:
        raise not_found(f"There is no provider '{name}'. Known: {', '.join(known)}.")
    await services.ledger.cooldowns.clear(name)
