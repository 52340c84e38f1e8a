"""A provider that does what a test's script says, through the same interface as the real ones."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

from providers.adapters.base import ProviderAdapter, ProviderAnswer, ProviderCall, ReportProgress
from providers.types import (
    Capability,
    CostUnit,
    Offer,
    QualityTier,
    RedactionResponse,
    SentimentResponse,
    SummarizationResponse,
    Usage,
    Value,
)

Act = Callable[[ProviderCall, ReportProgress], Awaitable[ProviderAnswer]]

RESPONSES: dict[Capability, Value] = {
    Capability.PII_REDACTION: RedactionResponse(text="[NAME] called", entities=()),
    Capability.SENTIMENT_ANALYSIS: SentimentResponse(label="neutral", score=0),
    Capability.SUMMARIZATION: SummarizationResponse(text="in short"),
}


def answer(response: Value | None = None, *, characters: int = 10) -> Act:
    """Answer with this response, or with the capability's usual one."""

    async def act(call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        report_progress(1)
        return ProviderAnswer(
            response=response or RESPONSES[call.capability], usage=Usage(characters=characters)
        )

    return act


def fail(error: Exception) -> Act:
    """Fail with this error."""

    async def act(call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        del call, report_progress
        raise error

    return act


class Hang:
    """Hang until cancelled; tells when a call has come, and whether it was cancelled."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def __call__(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        del call
        report_progress(0.5)
        self.entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        raise AssertionError


class ScriptedAdapter(ProviderAdapter):
    """Plays one act after the other; the last one again and again."""

    name = "scripted"

    def __init__(
        self,
        *acts: Act,
        name: str = "scripted",
        capabilities: Sequence[Capability] = tuple(RESPONSES),
        price: Decimal | None = Decimal("0.001"),
        cost_unit: CostUnit = CostUnit.CHARACTER,
        available: bool = True,
        tier: QualityTier = QualityTier.STANDARD,
    ) -> None:
        self.name = name
        self.calls: list[ProviderCall] = []
        self._acts = acts or (answer(),)
        self._capabilities = capabilities
        self._price = price
        self._cost_unit = cost_unit
        self._available = available
        self._tier = tier

    def offers(self) -> Sequence[Offer]:
        return [
            Offer(
                provider=self.name,
                capability=capability,
                model="model-1",
                quality_tier=self._tier,
                cost_unit=self._cost_unit,
                price=self._price,
                price_source="the test's script",
                available=self._available,
                reason=None if self._available else f"{self.name} has no key.",
            )
            for capability in self._capabilities
        ]

    async def call(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        act = self._acts[min(len(self.calls), len(self._acts) - 1)]
        self.calls.append(call)
        return await act(call, report_progress)


class BoundedAdapter(ScriptedAdapter):
    """A scripted provider that knows how much it will use: 10 characters at most."""

    async def upper_bounds(self, call: ProviderCall) -> Sequence[Usage]:
        del call
        return (Usage(characters=10),)
