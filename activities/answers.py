"""Answers that are kept for a retry: small ones in the receipt, large ones as an artifact."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

from artifacts.errors import ArtifactNotFound
from artifacts.store import ArtifactStore
from ledger.calls import Receipt

INLINE_BYTES = 64 * 1024
"""Above this an answer is an artifact of the tenant's."""


class Answers:
    """Writes and reads what receipts hold."""

    def __init__(self, artifacts: ArtifactStore) -> None:
        """Take the store for large ones."""
        self._artifacts = artifacts

    async def write(self, tenant_id: str, answer: dict[str, Any]) -> Receipt:
        """Make the receipt of an answer."""
        document = json.dumps(answer, ensure_ascii=False).encode()
        if len(document) <= INLINE_BYTES:
            return Receipt(answer=answer)
        stored = await self._artifacts.put(tenant_id, _once(document), "application/json")
        return Receipt(artifact_id=stored.id)

    async def read(self, tenant_id: str, receipt: Receipt) -> dict[str, Any] | None:
        """Return the answer; None when it is gone."""
        if receipt.artifact_id is None:
            return receipt.answer
        try:
            stored = await self._artifacts.get(tenant_id, receipt.artifact_id)
            document = await asyncio.to_thread(self._artifacts.path(stored).read_bytes)
        except (ArtifactNotFound, FileNotFoundError):
            return None
        answer: dict[str, Any] = json.loads(document)
        return answer

    async def delete(self, tenant_id: str, artifact_ids: Iterable[str]) -> None:
        """Delete what receipts have held."""
        for artifact_id in artifact_ids:
            try:
                await self._artifacts.delete(tenant_id, artifact_id)
            except ArtifactNotFound:
                continue  # somebody was here before


async def _once(document: bytes) -> AsyncIterator[bytes]:
    yield document
