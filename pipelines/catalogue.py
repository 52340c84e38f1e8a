"""Which definitions there are."""

from collections.abc import Iterable, Sequence

from pipelines.errors import PipelineNotFound
from pipelines.model import PipelineDefinition
from pipelines.predefined import PREDEFINED


class Catalogue:
    """Definitions by name and version."""

    def __init__(self, definitions: Iterable[PipelineDefinition] = PREDEFINED) -> None:
        """Take the definitions; of equal names the last one is the default."""
        self._by_name: dict[str, dict[str, PipelineDefinition]] = {}
        for definition in definitions:
            self._by_name.setdefault(definition.name, {})[definition.version] = definition

    def all(self) -> Sequence[PipelineDefinition]:
        """List every definition, by name."""
        return [
            definition
            for name in sorted(self._by_name)
            for definition in self._by_name[name].values()
        ]

    def get(self, name: str, version: str | None = None) -> PipelineDefinition:
        """Return one definition.

        Raises:
            PipelineNotFound: naming what there is.
        """
        versions = self._by_name.get(name)
        if versions is None:
            raise PipelineNotFound(
                f"There is no pipeline '{name}'. Known: {', '.join(sorted(self._by_name))}."
            )
        if version is None:
            return list(versions.values())[-1]
        if version not in versions:
            raise PipelineNotFound(
                f"Pipeline '{name}' has no version '{version}'. Known: {', '.join(versions)}."
            )
        return versions[version]


_installed: Catalogue | None = None


def install_catalogue(catalogue: Catalogue) -> None:
    """Make `get_catalogue` return this one; for composition roots."""
    global _installed  # noqa: PLW0603 - the one place where a process keeps its catalogue
    _installed = catalogue


def get_catalogue() -> Catalogue:
    """Return the installed catalogue, or else the predefined pipelines."""
    return _installed or Catalogue()
