"""What is alike in every vendor of language models: the offer, the connection, the accounting.

The SDK is imported with the first call, in a thread: it takes most of a second, and a process that
only lists offers never pays. The SDKs of OpenAI and Anthropic come out of one generator, so that
their errors have the same names.
"""

import asyncio
import json
from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import httpx2
from pydantic import SecretStr, ValidationError

from providers.access import why_unavailable
from providers.adapters.base import ProviderAdapter, ProviderAnswer, ProviderCall, ReportProgress
from providers.error_table import ErrorRow, VendorFailure, translate
from providers.errors import InvalidRequest, ProviderError, ProviderFault
from providers.generation import ArrivingAnswer
from providers.token_prices import find_list_price
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

# Failures before a byte of the request was sent.
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class _Client(Protocol):
    async def close(self) -> None: ...


ClientT = TypeVar("ClientT", bound=_Client)


class LanguageModelAdapter(ProviderAdapter, Generic[ClientT]):
    """A vendor of language models, through its official SDK.

    Attributes:
        name: Also the SDK's package, and the vendor's id in the price list.
        vendor: The vendor's name as people read it.
        key_setting: The environment variable of the key.
        model: The default model.
        context_tokens: The most that the model reads, in tokens.
        errors: The vendor's errors, particular rows first.
    """

    vendor: ClassVar[str]
    key_setting: ClassVar[str]
    model: ClassVar[str]
    context_tokens: ClassVar[int]
    errors: ClassVar[Sequence[ErrorRow]]

    def __init__(self, api_key: SecretStr | None, base_url: str | None = None) -> None:
        """Take the key and the vendor's address; connect with the first call."""
        self._key = api_key
        self._base_url = base_url
        self._client: ClientT | None = None
        self._connecting = asyncio.Lock()

    def offers(self) -> Sequence[Offer]:
        """List the default model."""
        list_price = find_list_price(self.name, self.model)
        reason = why_unavailable(self.key_setting, self._key, self.name)
        return [
            Offer(
                provider=self.name,
                capability=Capability.LLM_GENERATION,
                model=self.model,
                quality_tier=QualityTier.STANDARD,
                cost_unit=CostUnit.TOKEN,
                price=list_price.price,
                token_prices=list_price.token_prices,
                price_source=list_price.price_source,
                limits=Limits(max_input_tokens=self.context_tokens),
                available=reason is None,
                reason=reason,
            )
        ]

    async def call(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        """Make one attempt; see `ProviderAdapter.call`."""
        request = call.request
        if not isinstance(request, GenerationRequest):
            raise InvalidRequest(f"{self.vendor} is not offered for {call.capability}.")
        answer = ArrivingAnswer(request.max_output_tokens, report_progress)
        try:
            response = await self._generate(call, request, answer)
        except ProviderError as error:
            error.usage = answer.usage
            raise
        except asyncio.CancelledError:
            call.report_usage(answer.usage)
            raise
        return ProviderAnswer(response=response, usage=answer.usage or Usage())

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
    def _connect(self) -> ClientT:
        """Import the SDK and make its client, in a thread."""

    @abstractmethod
    def _read_failure(self, error: Any) -> VendorFailure:
        """Read what the vendor said went wrong from the SDK's `APIError`."""

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
        sdk: Any = import_module(self.name)
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
