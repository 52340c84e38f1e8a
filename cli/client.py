"""The API as Python calls: one method a call of the contract, one place for retries and errors.

A call is repeated only where that can't do anything twice: reads and deletions, a start that
carries an `Idempotency-Key`, and requests that never reached the API or that it turned away
with 429 or 503.
"""

import itertools
import os
import random
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Self
from urllib.parse import quote, urlsplit

import httpx2

from cli.errors import ApiFailureError, ApiProblemError, ApiUnreachableError

PIPELINES = "/api/v1/ai/pipelines"
JSON, YAML = "application/json", "application/yaml"
LONGEST_WAIT_S = 60  # the contract clamps `?wait=` there
_CHUNK_BYTES = 256 * 1024
_TURNED_AWAY = {429, 503}
_GATEWAY = {502, 504}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Retry:
    """How often to try again, and how long to wait before.

    Attributes:
        times: Attempts after the first.
        first: Seconds before the second attempt; doubles from there.
        longest: Bound of one wait that we choose, seconds.
        patience: Bound of one wait that the API asks for, seconds; a longer one ends the attempts.
    """

    times: int
    first: float = 0.25
    longest: float = 5.0
    patience: float = 30.0

    def delays(self) -> Iterator[float]:
        """Yield the waits, each shortened at random so that clients don't come back as one."""
        for attempt in range(self.times):
            bound = min(self.longest, self.first * 2**attempt)
            yield bound * random.uniform(0.7, 1.0)  # noqa: S311 - no secret


STARTING = Retry(times=3)
"""About 1.5 s: enough for a blip, short enough to be told that there is no API."""
FOLLOWING = Retry(times=9)
"""About 30 s: a run is under way, and an API that restarts comes back."""


@dataclass(frozen=True)
class Answer:
    """A successful answer of the API."""

    status: int
    body: Any
    headers: Mapping[str, str]


class Api:
    """A connection to one API; use as a context manager."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        starting: Retry = STARTING,
        following: Retry = FOLLOWING,
    ) -> None:
        self.url = url.rstrip("/")
        self.starting = starting
        self.following = following
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        # A proxy from the environment can't reach this machine's own loopback address.
        self.use_proxy = urlsplit(self.url).hostname not in _LOOPBACK
        self._client = httpx2.Client(
            base_url=self.url + PIPELINES,
            headers={"Accept": "application/json", **self.headers},
            timeout=httpx2.Timeout(30, connect=5),
            trust_env=self.use_proxy,
        )

    def __enter__(self) -> Self:
        """Open nothing: the first call connects."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._client.close()

    def execute(self, request: Mapping[str, Any], idempotency_key: str) -> Any:
        """Start a run, once, however often the request has to be sent."""
        headers = {"Idempotency-Key": idempotency_key}
        return self._send("POST", "/execute", self.starting, json=request, headers=headers).body

    def upload(self, content: "Upload") -> Any:
        """Stream a file to the artifact store."""
        delays = self.starting.delays() if content.repeatable else iter(())
        headers = {"Content-Type": content.media_type}
        if content.size is not None:
            headers["Content-Length"] = str(content.size)
        timeout = httpx2.Timeout(120, connect=5)
        for delay in _then_none(delays):
            request = self._client.build_request(
                "POST", "/artifacts", content=content.chunks(), headers=headers, timeout=timeout
            )
            answer = self._attempt(request, delay, self.starting, repeatable=False)
            if answer is not None:
                return answer.body
        raise AssertionError  # the last attempt answers or raises

    def snapshot(
        self, execution_id: str, retry: Retry | None = None, *, timeout: float = 30
    ) -> Answer:
        """Read the status of a run."""
        return self._send("GET", _path(execution_id), retry, timeout=timeout)

    def result(self, execution_id: str, *, wait: bool, retry: Retry | None = None) -> Answer:
        """Read the result: 202 while the run goes on, after a minute where `wait` is set."""
        path = f"{_path(execution_id)}/result"
        if not wait:
            return self._send("GET", path, retry)
        timeout = httpx2.Timeout(LONGEST_WAIT_S + 15, connect=5)
        return self._send("GET", path, retry, params={"wait": LONGEST_WAIT_S}, timeout=timeout)

    def final_result(self, execution_id: str) -> Any:
        """Wait for the end of a run and read its result."""
        while True:
            answer = self.result(execution_id, wait=True, retry=self.following)
            if answer.status != httpx2.codes.ACCEPTED:
                return answer.body
            time.sleep(min(max(_retry_after(answer.headers), 0.2), self.following.longest))

    def cancel(self, execution_id: str) -> Any:
        """Ask for the cancellation of a run."""
        return self._send("DELETE", _path(execution_id), self.starting).body

    def executions(self, filters: Mapping[str, Any]) -> Any:
        """Read a page of runs."""
        return self._send("GET", "/executions", None, params=filters).body

    def pipelines(self) -> Any:
        """Read what can be run."""
        return self._send("GET", "/", None).body

    def definition(self, name: str, version: str, media_type: str) -> Any:
        """Read a pipeline's definition, as JSON or as YAML in text; no version: the newest."""
        headers = {"Accept": media_type}
        return self._send("GET", _definition_path(name, version), None, headers=headers).body

    def register(self, name: str, version: str, text: bytes, media_type: str) -> Answer:
        """Register a definition: 201 where it is new, 200 where it is there already."""
        path, headers = _definition_path(name, version), {"Content-Type": media_type}
        return self._send("PUT", path, self.starting, content=text, headers=headers)

    def estimate(self, request: Mapping[str, Any]) -> Any:
        """Ask what a run would cost."""
        return self._send("POST", "/estimate", self.starting, json=request).body

    def budget(self, query: Mapping[str, str]) -> Any:
        """Read how a month's budget stands."""
        return self._send("GET", "/budget/status", None, params=query).body

    def set_budget(self, budget: Mapping[str, Any]) -> Any:
        """Set the limit of each month; reads how the present one stands then."""
        return self._send("PUT", "/budget", self.starting, json=budget).body

    def spend(self, query: Mapping[str, str]) -> Any:
        """Read what was spent, told apart by what the query asks for."""
        return self._send("GET", "/budget/spend", None, params=query).body

    def costs(self, execution_id: str) -> Any:
        """Read the invoice of a run."""
        return self._send("GET", f"{_path(execution_id)}/costs", None).body

    def providers(self) -> Any:
        """Read who offers what."""
        return self._send("GET", "/providers", None).body

    def clear_cooldown(self, provider: str) -> None:
        """Let a provider be asked again."""
        self._send("DELETE", f"/providers{_path(provider)}/cooldown", None)

    def health(self) -> Any:
        """Read whether everything that a run needs answers; raises where something does not."""
        return self._send("GET", "/health", None).body

    def _send(self, method: str, path: str, retry: Retry | None, **content: Any) -> Answer:
        retry = retry or Retry(times=0)
        for delay in _then_none(retry.delays()):
            request = self._client.build_request(method, path, **content)
            answer = self._attempt(request, delay, retry, repeatable=True)
            if answer is not None:
                return answer
        raise AssertionError  # the last attempt answers or raises

    def _attempt(
        self, request: httpx2.Request, delay: float | None, retry: Retry, *, repeatable: bool
    ) -> Answer | None:
        """Send once. None after the wait where another attempt is due; `delay` None: no other."""
        try:
            response = self._client.send(request, follow_redirects=request.method == "GET")
        except httpx2.InvalidURL as error:
            raise ApiUnreachableError(self.url, str(error)) from error
        except httpx2.TransportError as error:
            never_sent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
            if delay is None or not (repeatable or never_sent):
                raise ApiUnreachableError(self.url, reason_of(error)) from error
            time.sleep(delay)
            return None
        again = response.status_code in (_TURNED_AWAY | _GATEWAY if repeatable else _TURNED_AWAY)
        wait = _retry_after(response.headers)
        if delay is None or not again or wait > retry.patience:
            return self._read(response)
        time.sleep(max(delay, wait))
        return None

    def _read(self, response: httpx2.Response) -> Answer:
        body = _body_of(response)
        if response.status_code in range(200, 300):
            if body is None and response.content:
                raise ApiUnreachableError(self.url, "what answers there is no Perdure API")
            return Answer(response.status_code, body, response.headers)
        raise self.refusal(response.status_code, body)

    def refusal(self, status: int, body: Any) -> ApiProblemError | ApiUnreachableError:
        """Return the error for an answer that is no success; a 404 page is not our API's."""
        if isinstance(body, dict):
            kind = (
                ApiFailureError if status >= httpx2.codes.INTERNAL_SERVER_ERROR else ApiProblemError
            )
            return kind(status, body)
        return ApiUnreachableError(
            self.url, f"what answers there says {status}, not as our API does"
        )


@dataclass(frozen=True)
class Upload:
    """A file on its way to the artifact store, never whole in memory.

    Attributes:
        path: What to read; a pipe can be read once only.
        media_type: As guessed from the name.
        size: Bytes, where the file has a size.
        progress: Told the bytes of each chunk.
    """

    path: str
    media_type: str
    size: int | None
    progress: Any = None

    @property
    def repeatable(self) -> bool:
        """Whether it can be sent again."""
        return self.size is not None

    def chunks(self) -> Iterator[bytes]:
        """Yield the content."""
        with open(self.path, "rb") as file:  # noqa: PTH123 - may be /dev/stdin
            yield from self._read(file)

    def _read(self, file: IO[bytes]) -> Iterator[bytes]:
        left = self.size
        while chunk := file.read(_CHUNK_BYTES if left is None else min(_CHUNK_BYTES, left)):
            left = None if left is None else left - len(chunk)
            yield chunk
            if self.progress:
                self.progress(len(chunk))


def reason_of(error: BaseException) -> str:
    """Return why a connection failed, in a few words."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return f"TLS: {getattr(cause, 'verify_message', None) or cause.reason}"
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno).lower() if cause.errno > 0 else "unknown host"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.TimeoutException | TimeoutError):
        return "it does not answer"
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


def _path(segment: str) -> str:
    return "/" + quote(segment, safe="")


def _definition_path(name: str, version: str) -> str:
    return "/definitions" + _path(name) + (_path(version) if version else "")


def _then_none(delays: Iterator[float]) -> Iterator[float | None]:
    return itertools.chain(delays, (None,))


def _retry_after(headers: Mapping[str, str]) -> float:
    try:
        return max(0.0, float(headers.get("retry-after", "")))
    except ValueError:  # absent, or a date, which our API does not send
        return 0.0


def _body_of(response: httpx2.Response) -> Any:
    if response.headers.get("content-type", "").startswith(YAML):
        return response.text
    try:
        return response.json()
    except ValueError:
        return None
