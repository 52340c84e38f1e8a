"""Asks a language model's adapter as the worker does."""

from providers.adapters.base import (
    ProviderAdapter,
    ProviderAnswer,
    ProviderCall,
    ReportProgress,
    ReportUsage,
)
from providers.types import Capability, GenerationRequest, RedactionRequest, SentimentRequest, Value

_CAPABILITIES: dict[type[Value], Capability] = {
    GenerationRequest: Capability.LLM_GENERATION,
    RedactionRequest: Capability.PII_REDACTION,
    SentimentRequest: Capability.SENTIMENT_ANALYSIS,
}


async def ask(
    adapter: ProviderAdapter,
    request: Value,
    report: ReportProgress = lambda _: None,
    report_usage: ReportUsage = lambda _: None,
    seconds: float = 20,
) -> ProviderAnswer:
    """Ask for what the request is of, by the model that the adapter offers for it."""
    capability = _CAPABILITIES.get(type(request), Capability.SUMMARIZATION)
    models = {offer.capability: offer.model for offer in adapter.offers()}
    call = ProviderCall(
        call_id="call-1",
        capability=capability,
        model=models[capability],
        request=request,
        audio=None,
        timeout=seconds,
        report_usage=report_usage,
    )
    return await adapter.call(call, report)


async def generate(adapter: ProviderAdapter, **fields: object) -> ProviderAnswer:
    """Ask for a generation, by some prompt where none is given."""
    fields = fields if "messages" in fields else {"prompt": "How are you?", **fields}
    return await ask(adapter, GenerationRequest.model_validate(fields))
