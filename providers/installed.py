"""Adapters that installed packages bring, under the entry point group `perdure.providers`."""

from collections.abc import Iterable, Sequence

from extensions import Extension, describe, load_extensions
from providers.adapters.base import ProviderAdapter
from providers.offering import check_offering

GROUP = "perdure.providers"
_EXPECTED = "expected a ProviderAdapter class, or a function that takes nothing and returns one"


def build_installed(own: Iterable[ProviderAdapter]) -> Sequence[ProviderAdapter]:
    """Make the adapters of installed packages.

    Args:
        own: The adapters that come with the product; their names are taken.

    Raises:
        SettingsError: An import fails, there is something else than an adapter, its name is taken,
            or its offers can't be used: names package and entry point.
    """
    owners = {adapter.name: "the product itself" for adapter in own}
    adapters = []
    for extension in load_extensions(GROUP):
        adapter = _make(extension)
        if adapter.name in owners:
            raise extension.unusable(
                f"brings a provider named '{adapter.name}', as {owners[adapter.name]} does: "
                "each needs a name of its own"
            )
        owners[adapter.name] = f"the {extension.origin}"
        adapters.append(adapter)
    return adapters


def _make(extension: Extension) -> ProviderAdapter:
    if not callable(extension.value):
        raise extension.unusable(f"is of type {type(extension.value).__name__}: {_EXPECTED}")
    try:
        adapter = extension.value()
    except Exception as error:
        raise extension.unusable(f"can't be called ({describe(error)}): {_EXPECTED}") from error
    if not isinstance(adapter, ProviderAdapter):
        raise extension.unusable(f"gave something of type {type(adapter).__name__}: {_EXPECTED}")
    _, faults = check_offering(adapter)
    if faults:
        raise extension.unusable(f"brings a provider that can't be offered ({' '.join(faults)})")
    return adapter
