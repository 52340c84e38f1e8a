"""Downloads a remote recording, without letting its address reach what is inside our network.

Every host is resolved here, every address must be public (or its host allowed by name), and the
connection goes to the very address that was checked, so that a name that changes its answer between
check and connection gains nothing. Redirects are followed by hand, each one checked the same way.
"""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO
from urllib.parse import urljoin, urlsplit

import httpx2

from artifacts.errors import FetchFailed, FetchInterrupted, FetchRefused
from artifacts.media import HEAD_BYTES, media_type_of

_MAX_REDIRECTS = 5
_TIMEOUT = httpx2.Timeout(30, connect=10)  # s; `read` is between two chunks
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052
_UNICAST = ipaddress.ip_network("2000::/3")  # all that IANA has given out, RFC 4291, 2.4
_PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")  # RFC 6890


class Fetcher:
    """Fetches `https://` from public addresses, and `http(s)://` from the allowed hosts."""

    def __init__(self, *, allowed_hosts: Collection[str], max_bytes: int, folder: Path) -> None:
        """Take the allowed `host[:port]`s, which may be private, and where downloads go."""
        self._allowed = frozenset(host.lower() for host in allowed_hosts)
        self._max_bytes = max_bytes
        self._folder = folder

    def check_url(self, url: str) -> None:
        """Refuse what can be refused without asking the network.

        Raises:
            FetchRefused: naming what was expected.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise FetchRefused("The recording's address is not a valid URL.") from None
        if parts.scheme not in _DEFAULT_PORTS or not host:
            raise FetchRefused(
                "This is not an address of a recording: expected https://… or artifact://…."
            )
        if parts.username is not None or parts.password is not None:
            raise FetchRefused("A recording's address must not contain a user name or a password.")
        if self._is_allowed(parts.scheme, host, port):
            return
        if parts.scheme != "https":
            raise FetchRefused(
                f"'{host}' may be fetched from by https only. "
                "An operator can allow a host by AI_FETCH_ALLOWED_HOSTS."
            )
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return
        _refuse_private(host, str(address))

    @asynccontextmanager
    async def fetch(self, url: str, seconds: float) -> AsyncIterator[tuple[Path, str, int]]:
        """Download to a temporary file; yields path, media type and size; removes it at the end.

        Args:
            url: What to download.
            seconds: How long the download may take.

        Raises:
            FetchRefused: The address, or one that it redirects to, is not public. Not retryable.
            FetchFailed: The answer was not 200, or too large. Not retryable.
            FetchInterrupted: 5xx, 408, 429, too slow, or the connection broke. Retryable.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=self._folder, prefix="fetch-") as file:
            try:
                async with asyncio.timeout(seconds):
                    head, size = await self._download(url, file)
            except TimeoutError:
                sentence = f"The recording could not be downloaded within {seconds:g} s."
                raise FetchInterrupted(sentence) from None
            yield Path(file.name), media_type_of(head, None), size

    async def _download(self, url: str, file: IO[bytes]) -> tuple[bytes, int]:
        """Write the content to a file; return its first bytes and its size."""
        head, size = b"", 0
        async for chunk in self._stream(url):
            size += len(chunk)
            if size > self._max_bytes:
                raise FetchFailed(f"The recording has more than {self._max_bytes} bytes.")
            head += chunk[: HEAD_BYTES - len(head)]
            await asyncio.to_thread(file.write, chunk)
        if not size:
            raise FetchFailed("The recording's address answered without content.")
        await asyncio.to_thread(file.flush)
        return head, size

    async def _stream(self, url: str) -> AsyncIterator[bytes]:
        async with httpx2.AsyncClient(
            timeout=_TIMEOUT, follow_redirects=False, trust_env=False
        ) as client:
            for _ in range(_MAX_REDIRECTS + 1):
                self.check_url(url)
                request = await self._pinned(client, url)
                try:
                    response = await client.send(request, stream=True)
                    try:
                        if response.has_redirect_location:
                            url = _join(url, response.headers["Location"])
                            continue
                        _check_status(response.status_code)
                        async for chunk in response.aiter_bytes():
                            yield chunk
                        return
                    finally:
                        await response.aclose()
                except httpx2.HTTPError as error:
                    raise FetchInterrupted(
                        f"The recording could not be downloaded: {type(error).__name__}."
                    ) from error
        raise FetchFailed(f"The recording's address redirects more than {_MAX_REDIRECTS} times.")

    async def _pinned(self, client: httpx2.AsyncClient, url: str) -> httpx2.Request:
        """Make a request that connects to a checked address, whatever the name says by then."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise FetchInterrupted(f"The host '{host}' can't be looked up now.") from error
            raise FetchFailed(f"The host '{host}' is not known.") from error
        except (OSError, UnicodeError) as error:
            raise FetchFailed(f"The host '{host}' is not known.") from error
        addresses = [str(entry[4][0]) for entry in found]
        if not self._is_allowed(parts.scheme, host, port):
            for address in addresses:
                _refuse_private(host, address)
        try:
            named = httpx2.URL(url)
        except httpx2.InvalidURL as error:
            raise FetchRefused("The recording's address is not a valid URL.") from error
        return client.build_request(
            "GET",
            named.copy_with(host=addresses[0]),
            headers={"Host": named.netloc.decode(), "Accept": "audio/*, */*;q=0.1"},
            extensions={"sni_hostname": named.raw_host.decode()},
        )

    def _is_allowed(self, scheme: str, host: str, port: int | None) -> bool:
        return bool(self._allowed & {host, f"{host}:{port or _DEFAULT_PORTS[scheme]}"})


def _join(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise FetchFailed("The recording's address redirects to no valid URL.") from error


def _refuse_private(host: str, address: str) -> None:
    if not all(_is_public(part) for part in _reached(address)):
        raise FetchRefused(
            f"'{host}' is not a public address. "
            "An operator can allow a host by AI_FETCH_ALLOWED_HOSTS."
        )


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        # What `is_global` says of the rest depends on Python's patch release.
        return address.is_global and (address in _UNICAST or address in _NAT64)
    return address.is_global and not address.is_multicast and address not in _PROTOCOLS


def _reached(address: str) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Yield an address, and the IPv4 address that a gateway would make of it."""
    found = ipaddress.ip_address(address.partition("%")[0])
    yield found
    if isinstance(found, ipaddress.IPv6Address):
        yield from (inner for inner in (found.ipv4_mapped, found.sixtofour) if inner)
        if found in _NAT64:
            yield ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)


def _check_status(status: int) -> None:
    if status == 200:  # noqa: PLR2004
        return
    sentence = f"The recording's address answered {status}."
    if status in (408, 429) or status >= 500:  # noqa: PLR2004
        raise FetchInterrupted(sentence)
    raise FetchFailed(sentence)
