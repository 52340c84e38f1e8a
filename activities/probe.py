"""`probe_recordings`: how long recordings at remote addresses are, before a run is admitted."""

import asyncio

import structlog
from temporalio import activity

from activities.heartbeats import Heartbeats
from activities.types import PROBE_RECORDINGS, Probed, ProbeInput, RecordingLength
from artifacts.errors import ArtifactError
from artifacts.fetch import Fetcher
from artifacts.recordings import read_header

_SECONDS = 120.0  # for one download

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
        async with self._heartbeats.beating():
            return Probed(recordings={url: await self._look_at(url) for url in asked.urls})

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
