"""`probe_recordings`: how long recordings at remote addresses are, before a run is admitted."""

import asyncio
from contextlib import suppress

import structlog
from temporalio import activity

from activities.heartbeats import Heartbeats
from activities.types import PROBE_RECORDINGS, Probed, ProbeInput, RecordingLength
from artifacts.errors import ArtifactError
from artifacts.fetch import Fetcher
from artifacts.recordings import read_header

_SECONDS = 120.0  # for one download
_SECONDS_FOR_ALL = 480.0

log = structlog.get_logger(__name__)


class ProbeActivities:
    """Looks at remote recordings."""

    def __init__(self, fetcher: Fetcher) -> None:
        """Take what fetches them."""
        self._fetcher = fetcher
        self._heartbeats = Heartbeats()

    @activity.defn(name=PROBE_RECORDINGS)
    async def probe_recordings(self, asked: ProbeInput) -> Probed:
        """Download each recording, read its header, and forget it.

        No side effect. Heartbeat: liveness. Cancellation: ends the download. What can't be had or
        does not tell is null: the step that needs it says what is wrong.
        """
        found: dict[str, RecordingLength | None] = dict.fromkeys(asked.urls)
        async with self._heartbeats.beating():
            with suppress(TimeoutError):
                async with asyncio.timeout(_SECONDS_FOR_ALL):
                    for url in asked.urls:
                        found[url] = await self._look_at(url)
        return Probed(recordings=found)

    async def _look_at(self, url: str) -> RecordingLength | None:
        try:
            async with self._fetcher.fetch(url, _SECONDS) as (path, _, _):
                header = await asyncio.to_thread(read_header, path)
        except ArtifactError as error:
            log.info("recording not looked at", code=error.code)
            return None
        if header is None:
            return None
        return RecordingLength(seconds=header.seconds, channels=header.channels)
