"""What is alike in every vendor of language models: the offers, the connection, the accounting.

The SDK is imported with the first call, in a thread: it takes most of a second, and a process that
only lists offers never pays. The SDKs of OpenAI and Anthropic come out of one generator, so that
their errors have the same names.
"""

import asyncio
import json
from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import httpx2
import structlog
from pydantic import SecretStr, ValidationError

from providers import derived
from providers.access import fingerprint, why_unavailable
from providers.adapters.base import ProviderAdapter, ProviderAnswer, ProviderCall, ReportProgress
from providers.error_table import ErrorRow, VendorFailure, showable, translate
from providers.errors import InvalidRequest, ProviderError, ProviderFault
from providers.generation import ArrivingAnswer
from providers.token_bounds import usages_within
from providers.token_prices import ListPrice, find_list_price
from providers.types import (
    Capability,
    CostUnit,
    GenerationRequest,
    GenerationResponse,
    Limits,
    Offer,
    QualityTier,
    Usage,
)

TEXT_CAPABILITIES = (Capability.LLM_GENERATION, *derived.CAVEATS)
"""What every language model can do."""

# Failures before a byte of the request was sent.
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A model that a vendor sells, and what it is offered for.

    Attributes:
        context_tokens: The most that it reads and writes in one call; None where that is unknown.
        max_output_tokens: The most that it writes; None where that is unknown.
        retires: In the words of `providers.types.Offer`; None where no date is known.
    """

    name: str
    context_tokens: int | None
    max_output_tokens: int | None
    retires: date | None
    tier: QualityTier = QualityTier.STANDARD
    capabilities: Sequence[Capability] = TEXT_CAPABILITIES


class _Client(Protocol):
    async def close(self) -> None: ...


ClientT = TypeVar("ClientT", bound=_Client)


class LanguageModelAdapter(ProviderAdapter, Generic[ClientT]):
    """A vendor of language models, through its official SDK.

    Attributes:
        name: Also the SDK's package, and the vendor's id in the price list.
        vendor: The vendor's name as people read it.
        key_setting: The environment variable of the key.
        models: What is offered; one model for a capability, since a step names a provider and no
            model, and what follows a vendor's failure is to be another vendor.
        errors: The vendor's errors, particular rows first.
    """

    vendor: str
    key_setting: str
    models: Sequence[LanguageModel]
    errors: ClassVar[Sequence[ErrorRow]]

    def __init__(self, api_key: SecretStr | None, base_url: str | None = None) -> None:
        """Take the key and the vendor's address; connect with the first call."""
        self._key = api_key
        self._base_url = base_url
        self._client: ClientT | None = None
        self._connecting = asyncio.Lock()

    def offers(self) -> Sequence[Offer]:
        """List what each model is offered for."""
        return [offer for model in self.models for offer in self._offers_of(model)]

    def _offers_of(self, model: LanguageModel) -> Sequence[Offer]:
        list_price, reason = self._list_price(model), self._why_unavailable()
        return [
            Offer(
                provider=self.name,
                capability=capability,
                model=model.name,
                quality_tier=model.tier,
                cost_unit=CostUnit.TOKEN,
                price=list_price.price,
                token_prices=list_price.token_prices,
                price_source=list_price.price_source,
                limits=Limits(max_input_tokens=model.context_tokens),
                available=reason is None,
                reason=reason,
                caveat=self._caveat(capability, model),
                retires=model.retires,
            )
            for capability in model.capabilities
        ]

    def _list_price(self, model: LanguageModel) -> ListPrice:
        return find_list_price(self.name, model.name)

    def _why_unavailable(self) -> str | None:
        return why_unavailable(self.key_setting, self._key, self.name)

    def _caveat(self, capability: Capability, model: LanguageModel) -> str | None:
        sentences = [derived.CAVEATS.get(capability)]
        if model.retires is not None:
            sentences.append(f"{self.vendor} may retire the model from {model.retires} on.")
        return " ".join(filter(None, sentences)) or None

    async def call(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        """Make one attempt; see `ProviderAdapter.call`."""
        model = self._find_model(call)
        blank = derived.answer_blank(call.request)
        if blank is not None:
            return ProviderAnswer(response=blank, usage=Usage(input_tokens=0, output_tokens=0))
        request = _question(call, model)
        answer = ArrivingAnswer(request.max_output_tokens, report_progress)
        try:
            generated = await self._generate(call, request, answer)
            # In a thread: to look up a long list of quotes in a long text takes seconds.
            response = await asyncio.to_thread(derived.read, call.request, generated)
        except ProviderError as error:
            error.usage = answer.usage
            raise
        except asyncio.CancelledError:
            call.report_usage(answer.usage)
            raise
        return ProviderAnswer(response=response, usage=answer.usage or Usage())

    async def upper_bounds(self, call: ProviderCall) -> Sequence[Usage]:
        """Bound what an attempt can use; see `ProviderAdapter.upper_bounds`.

        What can't be asked costs nothing: the call ends before anything is sent.
        """
        try:
            model = self._find_model(call)
            if derived.answer_blank(call.request) is not None:
                return usages_within(0, 0)
            request = _question(call, model)
            # In a thread: a schema takes the SDK, and a long text its time.
            read = await asyncio.to_thread(self._most_read, model, request)
        except ProviderError:
            return usages_within(0, 0)
        return () if read is None else usages_within(read, request.max_output_tokens)

    def _find_model(self, call: ProviderCall) -> LanguageModel:
        for model in self.models:
            if model.name == call.model and call.capability in model.capabilities:
                return model
        raise InvalidRequest(f"{self.vendor} does not offer {call.model} for {call.capability}.")

    @property
    def credential(self) -> str:
        """Tell the key from others."""
        return fingerprint(self._key)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    @abstractmethod
    async def _generate(
        self, call: ProviderCall, request: GenerationRequest, answer: ArrivingAnswer
    ) -> GenerationResponse:
        """Ask for the answer and follow it to its end; what it used is in `answer`."""

    @abstractmethod
    def _most_read(self, model: LanguageModel, request: GenerationRequest) -> int | None:
        """Bound the input tokens that are billed for a request; None where nothing is sure.

        Raises:
            ProviderError: The request can't be made, and `_generate` raises the same.
        """

    @abstractmethod
    def _connect(self) -> ClientT:
        """Import the SDK and make its client, in a thread."""

    @abstractmethod
    def _read_failure(self, error: Any) -> VendorFailure:
        """Read what the vendor said went wrong from the SDK's `APIError`."""

    def _sdk(self) -> Any:
        """Return the SDK's package, for its errors."""
        return import_module(self.name)

    async def _connected(self) -> ClientT:
        async with self._connecting:
            if self._client is None:
                self._client = await asyncio.to_thread(self._connect)
            return self._client

    @property
    def _secret(self) -> str:
        return self._key.get_secret_value() if self._key else ""

    @asynccontextmanager
    async def _sending(self, answer: ArrivingAnswer) -> AsyncIterator[None]:
        """Send the request and read the answer inside.

        What the SDK raises becomes our errors; the original, which may hold the key, goes.
        """
        sdk = self._sdk()
        answer.sent()
        try:
            yield
        except sdk.APIConnectionError as error:
            if isinstance(error.__cause__, _NOT_SENT):
                answer.turned_down()
            if isinstance(error, sdk.APITimeoutError):
                raise ProviderFault(f"{self.vendor} did not answer in time.") from None
            raise ProviderFault(f"The connection to {self.vendor} failed.") from None
        except sdk.APIError as error:
            raise self._translate(self._read_failure(error), answer) from None
        except httpx2.TimeoutException:
            raise ProviderFault(f"{self.vendor} stopped in the middle of its answer.") from None
        except (httpx2.HTTPError, json.JSONDecodeError, UnicodeDecodeError, ValidationError):
            raise ProviderFault(f"{self.vendor}'s answer can't be read.") from None

    def _translate(self, failure: VendorFailure, answer: ArrivingAnswer) -> ProviderError:
        answer.turned_down()
        return translate(self.vendor, self.errors, failure, self._secret)

    def _unknown_ending(self, reason: str | None) -> ProviderFault:
        """Note that an answer ended as no documentation says; the next one may be well."""
        shown = showable(reason or "nothing", self._secret)
        log.warning("unknown stop reason", provider=self.name, reason=shown)
        return ProviderFault(f"{self.vendor} ended the answer as '{shown}'.")


def _question(call: ProviderCall, model: LanguageModel) -> GenerationRequest:
    """Write what the model is asked.

    A derived capability takes as many tokens for its answer as its input may need, up to the most
    that the model writes, or else half of its context. A generation gets what it asks for.
    """
    request = derived.ask(call.request)
    most = model.max_output_tokens or (model.context_tokens or 0) // 2
    if request is call.request or not most:
        return request
    tokens = min(request.max_output_tokens, most)
    return request.model_copy(update={"max_output_tokens": tokens})
