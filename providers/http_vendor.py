"""What is alike in every vendor that is asked over plain HTTP: the connection and the accounting.

One request makes one answer. Its body goes out in pieces, so that a call that never got as far as
its body is known to have cost nothing.
"""

import asyncio
import json
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import httpx2
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from providers.access import fingerprint
from providers.adapters.base import ProviderAdapter, ProviderAnswer, ProviderCall, ReportProgress
from providers.error_table import ErrorRow, VendorFailure, translate
from providers.errors import ProviderError, ProviderFault
from providers.types import Usage

# Said in the vendor's place, which may have finished meanwhile and bill it.
_FROM_A_GATEWAY = frozenset({502, 504})


class AnswerPart(BaseModel):
    """Base of what is read of an answer: types as they are, what is not asked for is ignored."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


AnswerT = TypeVar("AnswerT", bound=AnswerPart)


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent: its pieces, and how many bytes they are together."""

    pieces: AsyncGenerator[bytes, None]
    size: int
    media_type: str


@dataclass(slots=True)
class Exchange:
    """A request on its way.

    Attributes:
        usage: In the words of `ProviderError.usage`.
    """

    report_progress: ReportProgress
    usage: Usage | None = None

    async def send(self, pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """Hand the pieces on; from the first one the request may be billed."""
        async for piece in pieces:
            self.usage = Usage()
            yield piece

    def turned_down(self, status: int) -> None:
        """Note the vendor's "no"; what a vendor refuses or fails at is not billed."""
        if status not in _FROM_A_GATEWAY:
            self.usage = None


class HttpVendorAdapter(ProviderAdapter):
    """A vendor over plain HTTP.

    Attributes:
        vendor: The vendor's name as people read it.
        scheme: The word before the key in `Authorization`.
        errors: The vendor's errors, particular rows first.
    """

    vendor: ClassVar[str]
    scheme: ClassVar[str]
    errors: ClassVar[Sequence[ErrorRow]]

    def __init__(self, api_key: SecretStr | None, base_url: str | None = None) -> None:
        """Take the key and the vendor's address, without `/v1`; connect with the first call."""
        self._key = api_key
        self._base_url = base_url
        self._client: httpx2.AsyncClient | None = None

    async def call(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        """Make one attempt; see `ProviderAdapter.call`."""
        exchange = Exchange(report_progress)
        try:
            return await self._answer(call, exchange)
        except ProviderError as error:
            error.usage = exchange.usage
            raise
        except asyncio.CancelledError:
            call.report_usage(exchange.usage)
            raise

    @property
    def credential(self) -> str:
        """Tell the key from others."""
        return fingerprint(self._key)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    @abstractmethod
    async def _answer(self, call: ProviderCall, exchange: Exchange) -> ProviderAnswer:
        """Ask and read the answer; what it used is in `exchange`."""

    @abstractmethod
    def _read_failure(self, status: int, body: Mapping[str, Any]) -> VendorFailure:
        """Read what the vendor said went wrong."""

    async def _post(
        self,
        exchange: Exchange,
        path: str,
        body: Body,
        *,
        timeout: float,  # noqa: ASYNC109 - of each of httpx2's steps, not of the whole
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send a request and return the whole answer.

        What httpx2 raises becomes our errors; the original, which may hold the key, goes.
        """
        if self._client is None:
            self._client = httpx2.AsyncClient()
        async with aclosing(body.pieces), aclosing(exchange.send(body.pieces)) as pieces:
            try:
                response = await self._client.post(
                    f"{self._base_url}{path}",
                    params=params,
                    headers={
                        "Authorization": f"{self.scheme} {self._secret}",
                        "Content-Length": str(body.size),
                        "Content-Type": body.media_type,
                        **(headers or {}),
                    },
                    content=pieces,
                    timeout=timeout,
                )
            except httpx2.TimeoutException:
                raise ProviderFault(f"{self.vendor} did not answer in time.") from None
            except httpx2.HTTPError:
                raise ProviderFault(f"The connection to {self.vendor} failed.") from None
        if not response.is_success:
            raise self._translate(response, exchange)
        return response.content

    def _parse(self, kind: type[AnswerT], content: bytes) -> AnswerT:
        """Read an answer strictly.

        Raises:
            ProviderFault: It is no JSON, or lacks something. Retried.
        """
        try:
            return kind.model_validate_json(content)
        except ValidationError:
            raise ProviderFault(f"{self.vendor}'s answer can't be read.") from None

    def _translate(self, response: httpx2.Response, exchange: Exchange) -> ProviderError:
        exchange.turned_down(response.status_code)
        try:
            body = json.loads(response.content)
        except ValueError:
            body = {}
        failure = self._read_failure(response.status_code, body if isinstance(body, dict) else {})
        shown = replace(failure, headers=response.headers)
        return translate(self.vendor, self.errors, shown, self._secret)

    @property
    def _secret(self) -> str:
        return self._key.get_secret_value() if self._key else ""
