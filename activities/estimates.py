"""What a run will cost, as far as its input tells: what is reserved at its admission."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from activities.types import AdmitInput, Probed
from artifacts.errors import ArtifactError
from artifacts.recordings import read_header
from artifacts.store import SCHEME, ArtifactStore
from ledger.runs import RunRequest
from pipelines.estimate import Estimate, estimate, is_charged, recordings_of
from pipelines.estimating.speech import Recording
from pipelines.model import PipelineDefinition
from providers.registry import CapabilityRegistry

_MOST = 100  # headers that are read for one estimate


class Estimates:
    """Estimates runs by the registry's offers and the headers of uploaded recordings."""

    def __init__(self, registry: CapabilityRegistry, artifacts: ArtifactStore) -> None:
        """Take who may be asked, and where uploads are."""
        self._registry = registry
        self._artifacts = artifacts

    async def estimate(
        self,
        tenant_id: str,
        definition: PipelineDefinition,
        input_data: Mapping[str, Any],
        probed: Probed | None = None,
    ) -> Estimate:
        """Estimate a run; headers are read only where somebody charges, and nothing is fetched.

        Args:
            tenant_id: Whose it is.
            definition: What would run.
            input_data: On what.
            probed: What remote recordings say, where somebody has looked.
        """
        recordings = {}
        if is_charged(definition, self._registry):
            recordings = await self._look_at_uploads(tenant_id, definition, input_data)
            for url, told in (probed.recordings if probed else {}).items():
                recordings[url] = None if told is None else Recording(**told.model_dump())
        # In a thread: each item of a long list is looked at.
        return await asyncio.to_thread(estimate, definition, input_data, self._registry, recordings)

    def to_probe(
        self, definition: PipelineDefinition, input_data: Mapping[str, Any]
    ) -> Sequence[str]:
        """List the remote recordings whose length decides what a run will cost."""
        if not is_charged(definition, self._registry):
            return ()
        urls = dict.fromkeys(recordings_of(definition, input_data))
        return [url for url in islice(urls, _MOST) if not url.startswith(SCHEME)]

    async def _look_at_uploads(
        self, tenant_id: str, definition: PipelineDefinition, input_data: Mapping[str, Any]
    ) -> dict[str, Recording | None]:
        uploads = dict.fromkeys(
            url for url in recordings_of(definition, input_data) if url.startswith(SCHEME)
        )
        return {url: await self._look_at(tenant_id, url) for url in islice(uploads, _MOST)}

    async def _look_at(self, tenant_id: str, url: str) -> Recording | None:
        try:
            artifact = await self._artifacts.get(tenant_id, url.removeprefix(SCHEME))
        except ArtifactError:
            return None
        header = await asyncio.to_thread(read_header, self._artifacts.path(artifact))
        return None if header is None else Recording(header.seconds, header.channels)


def reservation_of(run: AdmitInput, expected: Estimate) -> RunRequest:
    """Say what to reserve for a run."""
    return RunRequest(
        tenant_id=run.tenant_id,
        execution_id=run.execution_id,
        pipeline=run.definition.id,
        amount_usd=expected.reservation_usd,
        is_known=expected.is_reservation_known,
        cap_usd=run.max_cost_usd,
        tags=run.tags,
    )
