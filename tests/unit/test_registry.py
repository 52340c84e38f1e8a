"""Who is asked, and in which order."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from providers import registry as module
from providers.adapters.base import ProviderAdapter, ProviderAnswer, ProviderCall, ReportProgress
from providers.errors import ProviderUnavailable
from providers.registry import CapabilityRegistry, get_registry, install_registry
from providers.types import Capability, CostUnit, Offer, QualityTier, Usage

SUMMARY = Capability.SUMMARIZATION


def offer(
    provider: str,
    tier: QualityTier = QualityTier.STANDARD,
    price: str | None = "1",
    *,
    model: str = "m",
    capability: Capability = SUMMARY,
    available: bool = True,
    retires: date | None = None,
) -> Offer:
    return Offer(
        provider=provider,
        capability=capability,
        model=model,
        quality_tier=tier,
        cost_unit=CostUnit.CHARACTER,
        price=None if price is None else Decimal(price),
        price_source="a test",
        available=available,
        reason=None if available else f"{provider} has no key.",
        retires=retires,
    )


class Adapter(ProviderAdapter):
    """Offers what it is given; is never called."""

    def __init__(self, name: str, offers: Sequence[Offer]) -> None:
        self.name = name
        self._offers = offers
        self.closed = False

    def offers(self) -> Sequence[Offer]:
        return self._offers

    async def call(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        raise AssertionError(call, report_progress)

    async def close(self) -> None:
        self.closed = True


def registry(*offers: Offer) -> CapabilityRegistry:
    names = dict.fromkeys(one.provider for one in offers)
    return CapabilityRegistry(
        [Adapter(name, [one for one in offers if one.provider == name]) for name in names]
    )


def names(offers: Sequence[Offer]) -> list[str]:
    return [one.provider for one in offers]


BASIC, STANDARD, PREMIUM = QualityTier.BASIC, QualityTier.STANDARD, QualityTier.PREMIUM


@pytest.mark.parametrize(
    ("offers", "ranked"),
    [
        ([offer("a", BASIC), offer("b", PREMIUM), offer("c", STANDARD)], ["b", "c", "a"]),
        ([offer("a", price="3"), offer("b", price="0"), offer("c", price="1")], ["b", "c", "a"]),
        ([offer("a", price=None), offer("b", price="99")], ["b", "a"]),
        ([offer("b"), offer("a")], ["a", "b"]),
        ([offer("a", BASIC, "0"), offer("b", STANDARD, "9")], ["b", "a"]),
        ([offer("a", PREMIUM, available=False), offer("b", BASIC)], ["b", "a"]),
    ],
    ids=["tier", "price", "unknown price", "name", "tier before price", "unavailable last"],
)
def test_offers_are_ranked(offers: list[Offer], ranked: list[str]) -> None:
    assert names(registry(*offers).get_providers_for_capability(SUMMARY)) == ranked


def test_models_of_one_provider_are_ranked_by_their_name_last() -> None:
    found = registry(offer("a", model="z"), offer("a", model="b")).offers
    assert [one.model for one in found] == ["b", "z"]


def test_only_offers_of_the_capability_are_listed() -> None:
    other = offer("b", capability=Capability.TRANSCRIPTION)
    assert names(registry(offer("a"), other).get_providers_for_capability(SUMMARY)) == ["a"]


FOUR = [offer("a", PREMIUM), offer("b", STANDARD), offer("c", BASIC), offer("d", BASIC)]


@pytest.mark.parametrize(
    ("primary", "preferred", "fallbacks", "chain"),
    [
        (None, (), 2, ["a", "b", "c"]),
        (None, (), 0, ["a"]),
        (None, (), 9, ["a", "b", "c", "d"]),
        ("c", (), 2, ["c", "a", "b"]),
        (None, ("d", "b"), 2, ["d", "b", "a"]),
        ("c", ("d",), 3, ["c", "d", "a", "b"]),
        ("c", ("d", "c"), 1, ["c", "d"]),
        ("nobody", ("nor", "them"), 1, ["a", "b"]),
        (None, ("d", "d", "a"), 1, ["d", "a"]),
    ],
)
def test_a_chain_begins_with_the_wish_and_goes_on_by_rank(
    primary: str | None, preferred: Sequence[str], fallbacks: int, chain: list[str]
) -> None:
    found = registry(*FOUR).build_fallback_chain(
        SUMMARY, primary_provider=primary, max_fallbacks=fallbacks, preferred=preferred
    )
    assert names(found) == chain


def test_what_is_not_available_never_enters_a_chain() -> None:
    offers = registry(offer("a", available=False), offer("b"))
    assert names(offers.build_fallback_chain(SUMMARY, primary_provider="a")) == ["b"]


def test_an_empty_chain_is_explained_by_every_offers_reason() -> None:
    offers = registry(offer("a", available=False), offer("b", available=False))
    assert offers.build_fallback_chain(SUMMARY) == []
    why = offers.why_none(SUMMARY)
    assert "a has no key." in why
    assert "b has no key." in why
    assert "none is registered" in offers.why_none(Capability.TRANSCRIPTION)


def test_an_offer_is_found_by_provider_capability_and_model() -> None:
    one, two = offer("a", model="x"), offer("a", model="y")
    assert registry(one, two).find("a", SUMMARY, "y") == two


@pytest.mark.parametrize(
    ("provider", "model", "why"),
    [("a", "other", "a/other"), ("nobody", "m", "nobody/m"), ("shut", "m", "shut has no key")],
)
def test_what_this_process_can_not_call_is_unavailable(provider: str, model: str, why: str) -> None:
    offers = registry(offer("a"), offer("shut", available=False))
    with pytest.raises(ProviderUnavailable, match=why):
        offers.find(provider, SUMMARY, model)


def test_an_unknown_provider_has_no_adapter() -> None:
    with pytest.raises(ProviderUnavailable, match="nobody"):
        registry(offer("a")).adapter("nobody")


def test_an_expected_usage_is_priced() -> None:
    priced, unknown = offer("a", price="0.001"), offer("b", price=None)
    offers = registry(priced, unknown)
    assert offers.estimate_cost(priced, Usage(characters=7)) == Decimal("0.007")
    assert offers.estimate_cost(unknown, Usage(characters=7)) is None


PAST, FUTURE = date(2020, 1, 2), date(9999, 12, 31)


def test_a_model_past_its_day_is_told_once_and_still_offered() -> None:
    old = [
        offer("a", retires=PAST, capability=capability)
        for capability in (SUMMARY, Capability.LLM_GENERATION)
    ]
    with capture_logs() as logs:
        offers = registry(*old, offer("b", retires=FUTURE), offer("c"))
    assert [(line["log_level"], line["provider"], line["retires"]) for line in logs] == [
        ("warning", "a", "2020-01-02")
    ]
    assert names(offers.build_fallback_chain(SUMMARY)) == ["a", "b", "c"]


def test_a_model_that_can_not_be_called_is_nothing_to_warn_of() -> None:
    with capture_logs() as logs:
        registry(offer("a", retires=PAST, available=False))
    assert logs == []


async def test_closing_closes_every_adapter() -> None:
    adapters = [Adapter("a", []), Adapter("b", [])]
    await CapabilityRegistry(adapters).close()
    assert all(adapter.closed for adapter in adapters)


@pytest.fixture
def nothing_installed() -> Iterator[None]:
    before = module._installed
    module._installed = None
    yield
    module._installed = before


@pytest.mark.usefixtures("nothing_installed")
def test_the_installed_registry_is_the_one_that_is_got() -> None:
    mine = registry(offer("a"))
    install_registry(mine)
    assert get_registry() is mine


@pytest.mark.usefixtures("nothing_installed")
def test_without_an_installed_registry_the_environments_is_built() -> None:
    assert "local" in {one.provider for one in get_registry().offers}
