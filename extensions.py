"""What installed packages add to the product: values that they name under our entry point groups.

A package that can't be used stops the start. A provider or a pipeline that was silently left out
would be found out by its users.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from settings import SettingsError


@dataclass(frozen=True, slots=True)
class Extension:
    """One entry point of an installed package.

    Attributes:
        package: Name and version of the distribution.
        value: What the entry point names.
    """

    entry_point: EntryPoint
    package: str
    value: Any

    @property
    def origin(self) -> str:
        """Where the value comes from, for people."""
        return f"entry point '{self.entry_point.name}' of the package {self.package}"

    def unusable(self, reason: str) -> SettingsError:
        """Make the error that stops the start.

        Args:
            reason: What is wrong and what was expected, as the rest of a sentence about the entry
                point.
        """
        return _unusable(self.entry_point, self.package, reason)


def load_extensions(group: str) -> Sequence[Extension]:
    """Import what installed packages name under a group, in the order of their names.

    Raises:
        SettingsError: An import fails: names package and entry point.
    """
    found = [(_package(point), point) for point in entry_points(group=group)]
    return [_load(package, point) for package, point in sorted(found)]


def describe(error: BaseException) -> str:
    """Write what a package's code raised."""
    return f"{type(error).__name__}: {error}"


def _load(package: str, point: EntryPoint) -> Extension:
    try:
        value = point.load()
    except Exception as error:
        raise _unusable(point, package, f"can't be imported ({describe(error)})") from error
    return Extension(point, package, value)


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"


def _unusable(point: EntryPoint, package: str, reason: str) -> SettingsError:
    one_line = " ".join(reason.split())
    return SettingsError(
        f"The installed package {package} can't be used: its entry point '{point.name}' "
        f"({point.group}: {point.value}) {one_line}. Correct the package, or remove it: "
        f"pip uninstall {package.partition(' ')[0]}"
    )
