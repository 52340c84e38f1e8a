"""What a run will cost, as far as its input tells: what is reserved at its admission."""

import asyncio
from collections.abc import Mapping
from itertools import islice
from typing import Any

from activities.types import AdmitInput
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
        self, tenant_id: str, definition: PipelineDefinition, input_data: Mapping[str, Any]
    ) -> Estimate:
        """Estimate a run; headers are read only where somebody charges, and nothing is fetched."""
        recordings = {}
        if is_charged(definition, self._registry):
            recordings = await self._look_at_uploads(tenant_id, definition, input_data)
        # In a thread: each item of a long list is looked at.
        return await asyncio.to_thread(estimate, definition, input_data, self._registry, recordings)

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
