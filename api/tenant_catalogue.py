"""Which pipelines a tenant can run: the installation's, and those that it has registered itself.

A version never changes, so the tenant's own one is looked for first: an installation that begins
to bring the same name and version with other content changes nothing for who has registered it.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from api.bodies import canonical_json
from api.schemas import NAME
from ledger.definitions import RegisteredDefinitions, VersionTaken
from pipelines.catalogue import Catalogue, newest, no_such_pipeline, no_such_version
from pipelines.errors import DefinitionExists
from pipelines.model import PipelineDefinition


class TenantCatalogue:
    """Definitions by tenant, name and version."""

    def __init__(self, everyones: Catalogue, registered: RegisteredDefinitions) -> None:
        """Take the installation's definitions, and where those of tenants are kept."""
        self._everyones = everyones
        self._registered = registered

    async def all(self, tenant: str) -> Sequence[PipelineDefinition]:
        """List every definition, by name and version."""
        own = [_read(document) for document in await self._registered.documents(tenant)]
        ids = {definition.id for definition in own}
        others = [other for other in self._everyones.all() if other.id not in ids]
        return Catalogue([*own, *others]).all()

    async def get(self, tenant: str, name: str, version: str | None = None) -> PipelineDefinition:
        """Return one definition; without a version the newest release.

        A pre-release is taken where there is no release.

        Raises:
            PipelineNotFound: naming what there is.
        """
        own = await self._own_versions(tenant, name)
        known = {*own, *self._everyones.versions(name)}
        if not known:
            names = {definition.name for definition in self._everyones.all()}
            raise no_such_pipeline(name, sorted(names.union(await self._registered.names(tenant))))
        wanted = newest(known) if version is None else version
        if wanted not in known:
            raise no_such_version(name, wanted, known)
        document = None
        if wanted in own:
            document = await self._registered.document(tenant, name, wanted)
        return self._everyones.get(name, wanted) if document is None else _read(document)

    async def register(
        self, tenant: str, definition: PipelineDefinition
    ) -> tuple[PipelineDefinition, bool]:
        """Keep a definition for a tenant; returns what is kept, and whether it is new.

        What is kept may have its keys in another order: that of the first registration.

        Raises:
            DefinitionExists: The name and version belong to other content.
        """
        name, version = definition.name, definition.version
        sha256 = _fingerprint(definition)
        if version in self._everyones.versions(name):
            existing = await self.get(tenant, name, version)
            if _fingerprint(existing) != sha256:
                raise _exists(definition)
            return existing, False
        try:
            kept = await self._registered.register(
                tenant, name, version, document=_written(definition), sha256=sha256
            )
        except VersionTaken:
            raise _exists(definition) from None
        return _read(kept.document), kept.is_new

    async def _own_versions(self, tenant: str, name: str) -> Sequence[str]:
        # What can't be a name is not asked for: PostgreSQL takes no U+0000.
        return await self._registered.versions(tenant, name) if re.fullmatch(NAME, name) else ()


def _exists(definition: PipelineDefinition) -> DefinitionExists:
    return DefinitionExists(
        f"There is another pipeline {definition.id}: "
        "a version never changes, give this one another."
    )


def _plain(definition: PipelineDefinition) -> dict[str, Any]:
    """Leave out what is the default anyway: a setting that comes later must change nothing here."""
    value = definition.model_dump(mode="json", exclude_defaults=True)
    return value | {"version": definition.version}


def _fingerprint(definition: PipelineDefinition) -> str:
    """Return what equal definitions have in common; Python would also call 1 and true equal."""
    return hashlib.sha256(canonical_json(_plain(definition))).hexdigest()


def _written(definition: PipelineDefinition) -> str:
    return json.dumps(_plain(definition))


def _read(document: str) -> PipelineDefinition:
    return PipelineDefinition.model_validate_json(document)
