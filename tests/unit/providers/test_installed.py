"""Adapters that installed packages bring."""

from pathlib import Path

import pytest

from providers import registry as module
from providers.builtin import build_adapters
from providers.registry import get_registry
from settings import Settings, SettingsError
from tests.packages import Packages

GROUP = "perdure.providers"
SOURCE = """
from decimal import Decimal
from providers.adapters.base import ProviderAdapter
from providers.types import Capability, CostUnit, Offer, QualityTier

class value(ProviderAdapter):
    name = "demo"
    reason = None

    def offers(self):
        return [
            Offer(
                provider="demo",
                capability=Capability.SUMMARIZATION,
                model="m",
                quality_tier=QualityTier.PREMIUM,
                cost_unit=CostUnit.FREE,
                price=Decimal(0),
                price_source="a test",
                available=self.reason is None,
                reason=self.reason,
            )
        ]

    async def call(self, call, report_progress):
        raise NotImplementedError
"""
WHO = r"^The installed package perdure-demo 1\.0 can't be used: its entry point 'demo' "
MEND = r"Correct the package, or remove it: pip uninstall perdure-demo$"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packages:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "_installed", None)
    return Packages(tmp_path, monkeypatch)


def reason_of_demo() -> str | None:
    (demo,) = [offer for offer in get_registry().offers if offer.provider == "demo"]
    return demo.reason


def test_a_packages_class_is_a_provider_beside_our_own(packages: Packages) -> None:
    packages.add(GROUP, SOURCE)
    assert reason_of_demo() is None
    assert "local" in {offer.provider for offer in get_registry().offers}


def test_a_function_may_read_the_environment(
    packages: Packages, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = "import os\ndef make():\n    adapter = value()\n    adapter.reason = os.environ['WHY']\n"
    packages.add(GROUP, f"{SOURCE}\n{make}    return adapter\n", "make")
    monkeypatch.setenv("WHY", "Set DEMO_KEY to enable it.")
    assert reason_of_demo() == "Set DEMO_KEY to enable it."


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import nothing_of_this_name", r"can't be imported \(ModuleNotFoundError: .*\)"),
        ("value = 3", "is of type int: expected a ProviderAdapter class, or a function"),
        ("value = dict", "gave something of type dict: expected"),
        ("value = lambda key: key", r"can't be called \(TypeError: .*'key'\): expected"),
        (
            "def value():\n    raise KeyError('DEMO_KEY')",
            r"can't be called \(KeyError: 'DEMO_KEY'\)",
        ),
        (SOURCE.replace('"demo"', '"De mo"'), r"\(The name must be a letter .*found 'De mo'\.\)"),
        (SOURCE.replace('provider="demo"', "provider='d'"), "provider must be the adapter's name"),
        (SOURCE.replace("reason = None", "reason = ''"), "needs a reason"),
        (SOURCE.replace("return [", "return 1 / ["), r"offers\(\) .* it raised TypeError: "),
        (SOURCE.replace('"demo"', '"local"'), "a provider named 'local', as the product itself"),
    ],
)
def test_what_can_not_be_used_stops_the_start_with_one_clear_line(
    packages: Packages, source: str, problem: str
) -> None:
    packages.add(GROUP, source)
    with pytest.raises(SettingsError, match=f"{WHO}.*{problem}.*{MEND}") as caught:
        build_adapters(Settings())
    assert "\n" not in str(caught.value)


def test_two_packages_can_not_have_one_name(packages: Packages) -> None:
    packages.add(GROUP, SOURCE, name="another")
    packages.add(GROUP, SOURCE)
    with pytest.raises(SettingsError, match=WHO) as caught:
        build_adapters(Settings())
    other = "as the entry point 'another' of the package perdure-another 1.0 does"
    assert other in str(caught.value)
