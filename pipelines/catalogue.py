"""Which definitions there are."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.errors import DefinitionExists, PipelineNotFound
from pipelines.folder import load_folder
from pipelines.installed import load_installed
from pipelines.model import CodeSetting, PipelineDefinition
from pipelines.predefined import PREDEFINED
from pipelines.vocabulary import Vocabulary, nearest
from settings import Settings, SettingsError

_SHOWN = 12
"""Names or versions that an error lists."""


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
            raise no_such_pipeline(name, sorted(self._by_name))
        if version is None:
            return versions[newest(versions)]
        if version not in versions:
            raise no_such_version(name, version, versions)
        return versions[version]

    @property
    def functions(self) -> dict[str, Mapping[tuple[str, CodeSetting], Callable[..., Any]]]:
        """The Python functions of all definitions, by the pipeline's id: what a worker needs."""
        return {definition.id: definition.functions for definition in self.all()}

    def versions(self, name: str) -> Collection[str]:
        """List the versions of one pipeline; none where there is no such pipeline."""
        return self._by_name.get(name, {}).keys()


def load_catalogue(folder: Path | None, vocabulary: Vocabulary | None = None) -> Catalogue:
    """Build a process's catalogue: predefined, from installed packages, from a folder.

    Args:
        folder: Holds definitions as YAML or JSON; None when there is no such folder.
        vocabulary: Which providers and compensations there are; absent, their names aren't checked.

    Raises:
        SettingsError: A definition can't be read or can never run, or two that differ have the same
            name and version: says where they come from.
    """
    found = [("the predefined pipelines", definition) for definition in PREDEFINED]
    found += [(extension.origin, one) for extension, one in load_installed(vocabulary)]
    if folder is not None:
        origin = f"the folder {folder} (AI_PIPELINES_PATH)"
        found += [(origin, definition) for definition in load_folder(folder, vocabulary)]
    first_found: dict[str, tuple[str, PipelineDefinition]] = {}
    for origin, definition in found:
        other_origin, other = first_found.setdefault(definition.id, (origin, definition))
        if other != definition:
            raise SettingsError(
                f"Two different pipelines are called {definition.id}, one from {other_origin}, one "
                f"from {origin}: a version never changes, give one of them another or remove it."
            )
    return Catalogue(definition for _, definition in found)


def newest(versions: Iterable[str]) -> str:
    """Return the newest release, or where there is none the newest pre-release."""
    return max(sorted(versions), key=_release_first)


def no_such_pipeline(name: str, known: Sequence[str]) -> PipelineNotFound:
    """Return the error for a name that none of the known pipelines has."""
    near = nearest(name, known)
    guess = f" Did you mean '{near}'?" if near else ""
    return PipelineNotFound(f"There is no pipeline '{name}'.{guess} Known: {_listed(known)}.")


def no_such_version(name: str, version: str, known: Iterable[str]) -> PipelineNotFound:
    """Return the error for a version that is none of the known ones."""
    newest_first = sorted(known, key=_precedence, reverse=True)
    return PipelineNotFound(
        f"Pipeline '{name}' has no version '{version}'. Known: {_listed(newest_first)}."
    )


def _listed(known: Sequence[str]) -> str:
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return ", ".join(known[:_SHOWN]) + more


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
    """Return the installed catalogue, or else the one that the environment's settings name.

    Raises:
        SettingsError: There is none installed, and the settings or what they name can't be used.
    """
    return _installed or load_catalogue(Settings.load().ai_pipelines_path)
