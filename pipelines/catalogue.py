"""Which definitions there are."""

from collections.abc import Iterable, Sequence
from typing import Any

from pipelines.errors import DefinitionExists, PipelineNotFound
from pipelines.model import PipelineDefinition
from pipelines.predefined import PREDEFINED


class Catalogue:
    """Definitions by name and version."""

    def __init__(self, definitions: Iterable[PipelineDefinition] = PREDEFINED) -> None:
        """Take the definitions.

        Raises:
            DefinitionExists: Two of them have the same name and version and are not equal.
        """
        self._by_name: dict[str, dict[str, PipelineDefinition]] = {}
        for definition in definitions:
            versions = self._by_name.setdefault(definition.name, {})
            if versions.setdefault(definition.version, definition) != definition:
                raise DefinitionExists(
                    f"There are two different pipelines {definition.id}: "
                    "a version never changes, give one of them another."
                )

    def all(self) -> Sequence[PipelineDefinition]:
        """List every definition, by name and version."""
        return [
            self._by_name[name][version]
            for name in sorted(self._by_name)
            for version in sorted(self._by_name[name], key=_precedence)
        ]

    def get(self, name: str, version: str | None = None) -> PipelineDefinition:
        """Return one definition; without a version the newest release.

        A pre-release is taken where there is no release.

        Raises:
            PipelineNotFound: naming what there is.
        """
        versions = self._by_name.get(name)
        if versions is None:
            raise PipelineNotFound(
                f"There is no pipeline '{name}'. Known: {', '.join(sorted(self._by_name))}."
            )
        if version is None:
            return versions[max(versions, key=_release_first)]
        if version not in versions:
            raise PipelineNotFound(
                f"Pipeline '{name}' has no version '{version}'. Known: {', '.join(versions)}."
            )
        return versions[version]


def _precedence(version: str) -> tuple[Any, ...]:
    """Order versions as Semantic Versioning 2.0.0 does, section 11 (read 2026-11-24)."""
    core, _, before = version.partition("+")[0].partition("-")
    identifiers = [
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in before.split(".") if part
    ]
    return tuple(int(part) for part in core.split(".")), not before, identifiers


def _release_first(version: str) -> tuple[Any, ...]:
    return "-" not in version.partition("+")[0], _precedence(version)


_installed: Catalogue | None = None


def install_catalogue(catalogue: Catalogue) -> None:
    """Make `get_catalogue` return this one; for composition roots."""
    global _installed  # noqa: PLW0603 - the one place where a process keeps its catalogue
    _installed = catalogue


def get_catalogue() -> Catalogue:
    """Return the installed catalogue, or else the predefined pipelines."""
    return _installed or Catalogue()
