"""The artifact store: content in a folder, who owns what in SQL.

Equal content is stored once per tenant and counted by reference. Content that nobody refers to any
more is removed in a transaction of its own that holds the row with the count of zero: an upload of
the same content waits for it, and a process that dies in between leaves nothing that is referred to
without its content.
"""

import asyncio
import hashlib
import os
import re
import secrets
import time
from collections.abc import AsyncIterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from artifacts.errors import ArtifactNotFound, ArtifactTooLarge, EmptyArtifact
from artifacts.media import HEAD_BYTES, media_type_of

metadata = MetaData()

blobs = Table(
    "blobs",
    metadata,
    Column("tenant_id", String, primary_key=True),
    Column("sha256", String, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("refs", Integer, nullable=False),
)
artifacts = Table(
    "artifacts",
    metadata,
    Column("id", String, primary_key=True),
    Column("tenant_id", String, nullable=False),
    Column("sha256", String, nullable=False),
    Column("media_type", String, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(["tenant_id", "sha256"], ["blobs.tenant_id", "blobs.sha256"]),
)

SCHEME = "artifact://"
_ID = re.compile(r"[0-9a-f]{32}")
_NO_ARTIFACT = "There is no such artifact."
# s without a byte after which an upload that has not ended never will.
_ABANDONED = 3600


@dataclass(frozen=True, slots=True)
class Artifact:
    """Something that was uploaded.

    Attributes:
        size: Bytes.
        sha256: Hexadecimal.
        media_type: Detected where the content is audio, else what the uploader said; never audio
            on the uploader's word alone.
    """

    id: str
    tenant_id: str
    size: int
    sha256: str
    media_type: str

    @property
    def url(self) -> str:
        """How pipelines refer to it."""
        return f"{SCHEME}{self.id}"


class ArtifactStore:
    """Puts, finds and deletes artifacts of one tenant at a time."""

    def __init__(self, engine: AsyncEngine, folder: Path, *, max_bytes: int) -> None:
        """Take a migrated database and a folder, which is made if it is not there."""
        self._engine = engine
        self._folder = folder
        self._max_bytes = max_bytes
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        _sweep(self._incoming)

    async def put(
        self, tenant_id: str, chunks: AsyncIterable[bytes], declared_type: str | None = None
    ) -> Artifact:
        """Store a stream.

        Raises:
            EmptyArtifact: There were no bytes.
            ArtifactTooLarge: There were more than `max_bytes`.
        """
        with NamedTemporaryFile(dir=self._incoming, delete=False) as file:
            path = Path(file.name)
            try:
                digest, size, head = hashlib.sha256(), 0, b""
                async for chunk in chunks:
                    size += len(chunk)
                    if size > self._max_bytes:
                        raise ArtifactTooLarge(
                            f"An artifact may have at most {self._max_bytes} bytes."
                        )
                    head += chunk[: HEAD_BYTES - len(head)]
                    digest.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
                if not size:
                    raise EmptyArtifact("The upload is empty: send the file's bytes.")
                await asyncio.to_thread(_sync, file)
                artifact = Artifact(
                    id=secrets.token_hex(16),
                    tenant_id=tenant_id,
                    size=size,
                    sha256=digest.hexdigest(),
                    media_type=media_type_of(head, declared_type),
                )
                await self._add(artifact, path)
            finally:
                path.unlink(missing_ok=True)  # noqa: ASYNC240 - quicker than a thread
        return artifact

    async def get(self, tenant_id: str, artifact_id: str) -> Artifact:
        """Find an artifact.

        Raises:
            ArtifactNotFound: There is none of this id that belongs to the tenant.
        """
        _check_form(artifact_id)
        query = (
            select(artifacts, blobs.c.size)
            .join(blobs)
            .where(artifacts.c.id == artifact_id, artifacts.c.tenant_id == tenant_id)
        )
        async with self._engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            raise ArtifactNotFound(_NO_ARTIFACT)
        return Artifact(row.id, row.tenant_id, row.size, row.sha256, row.media_type)

    async def delete(self, tenant_id: str, artifact_id: str) -> None:
        """Delete an artifact, and its content with the last reference.

        Raises:
            ArtifactNotFound: There is none of this id that belongs to the tenant.
        """
        _check_form(artifact_id)
        async with self._engine.begin() as connection:
            sha256 = await connection.scalar(
                delete(artifacts)
                .where(artifacts.c.id == artifact_id, artifacts.c.tenant_id == tenant_id)
                .returning(artifacts.c.sha256)
            )
            if sha256 is None:
                raise ArtifactNotFound(_NO_ARTIFACT)
            same = (blobs.c.tenant_id == tenant_id) & (blobs.c.sha256 == sha256)
            await connection.execute(update(blobs).where(same).values(refs=blobs.c.refs - 1))
        async with self._engine.begin() as connection:
            unused = await connection.scalar(
                delete(blobs).where(same, blobs.c.refs == 0).returning(blobs.c.sha256)
            )
            if unused is not None:
                self._path(tenant_id, sha256).unlink(missing_ok=True)

    def path(self, artifact: Artifact) -> Path:
        """Where the content lies on local disk; read only."""
        return self._path(artifact.tenant_id, artifact.sha256)

    async def check(self) -> None:
        """Prove that the folder can be written.

        Raises:
            OSError: It can't.
        """

        def probe() -> None:
            with NamedTemporaryFile(dir=self._incoming):
                pass

        await asyncio.to_thread(probe)

    async def _add(self, artifact: Artifact, incoming: Path) -> None:
        insert = sqlite.insert if self._engine.dialect.name == "sqlite" else postgresql.insert
        target = self.path(artifact)
        async with self._engine.begin() as connection:
            await connection.execute(
                insert(blobs)
                .values(
                    tenant_id=artifact.tenant_id,
                    sha256=artifact.sha256,
                    size=artifact.size,
                    refs=1,
                )
                .on_conflict_do_update(
                    index_elements=["tenant_id", "sha256"], set_={"refs": blobs.c.refs + 1}
                )
            )
            await connection.execute(
                artifacts.insert().values(
                    id=artifact.id,
                    tenant_id=artifact.tenant_id,
                    sha256=artifact.sha256,
                    media_type=artifact.media_type,
                    created_at=datetime.now(UTC),
                )
            )
            target.parent.mkdir(parents=True, exist_ok=True)
            incoming.replace(target)  # noqa: ASYNC240 - quicker than a thread

    def _path(self, tenant_id: str, sha256: str) -> Path:
        # A tenant's name may be anything, its folder's name may not.
        tenant = hashlib.sha256(tenant_id.encode()).hexdigest()[:16]
        return self._folder / tenant / sha256[:2] / sha256


def _check_form(artifact_id: str) -> None:
    """Refuse what no id can be before the database has to: PostgreSQL takes no U+0000.

    Raises:
        ArtifactNotFound: It is none of ours.
    """
    if not _ID.fullmatch(artifact_id):
        raise ArtifactNotFound(_NO_ARTIFACT)


def _sweep(incoming: Path) -> None:
    """Remove what uploads left behind whose process was killed."""
    for path in incoming.iterdir():
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
