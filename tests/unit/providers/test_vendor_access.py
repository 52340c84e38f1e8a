import subprocess
import sys

import pytest
from pydantic import SecretStr

from providers import access
from providers.builtin import build_adapters
from providers.registry import CapabilityRegistry
from providers.types import Capability
from settings import Settings, SettingsError

LAZY = """
import sys
from providers.builtin import build_adapters
from providers.registry import CapabilityRegistry
from settings import Settings
CapabilityRegistry(build_adapters(Settings(openai_api_key="sk-1", anthropic_api_key="sk-2")))
print({"openai", "anthropic"} & set(sys.modules))
"""
VENDORS = ("OPENAI", "ANTHROPIC", "DEEPGRAM", "ACCENT")
VARIABLES = [f"{vendor}_{end}" for vendor in VENDORS for end in ("API_KEY", "BASE_URL")]


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def test_without_keys_the_reason_says_what_to_do() -> None:
    registry = CapabilityRegistry(build_adapters(Settings()))
    assert registry.build_fallback_chain(Capability.LLM_GENERATION) == []
    assert registry.why_none(Capability.LLM_GENERATION) == (
        "No provider of llm_generation is available."
        " anthropic/claude-haiku-5-5: Set ANTHROPIC_API_KEY to enable it."
        " openai/gpt-6-luna: Set OPENAI_API_KEY to enable it."
    )


def test_a_key_enables_its_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    registry = CapabilityRegistry(build_adapters(Settings.load()))
    chain = registry.build_fallback_chain(Capability.LLM_GENERATION)
    assert [(offer.provider, offer.reason) for offer in chain] == [("openai", None)]


@pytest.mark.parametrize(
    ("capability", "providers"),
    [
        (Capability.PII_REDACTION, ["anthropic", "openai", "local"]),
        (Capability.SENTIMENT_ANALYSIS, ["anthropic", "openai", "local"]),
        (Capability.SUMMARIZATION, ["anthropic", "openai", "local"]),
        (Capability.LLM_GENERATION, ["anthropic", "openai"]),
    ],
)
def test_language_models_are_asked_before_the_embedded_providers(
    monkeypatch: pytest.MonkeyPatch, capability: Capability, providers: list[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-2")
    registry = CapabilityRegistry(build_adapters(Settings.load()))
    assert [one.provider for one in registry.build_fallback_chain(capability)] == providers


def test_settings_enable_the_vendors_without_an_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "0123")
    monkeypatch.setenv("ACCENT_API_KEY", "4567")
    monkeypatch.setenv("ACCENT_BASE_URL", "https://accent.example/")
    registry = CapabilityRegistry(build_adapters(Settings.load()))
    first = [
        registry.build_fallback_chain(capability)[0].provider
        for capability in (
            Capability.TRANSCRIPTION,
            Capability.TRANSCRIPTION_DIARIZATION,
            Capability.PII_REDACTION,
        )
    ]
    assert first == ["deepgram", "deepgram", "accent"]


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (None, "Set NOBODY_API_KEY and pip install 'perdure[nobody]' to enable it."),
        (SecretStr("sk-1"), "pip install 'perdure[nobody]' to enable it."),
    ],
)
def test_missing_package_is_part_of_the_reason(key: SecretStr | None, reason: str) -> None:
    assert access.why_unavailable("NOBODY_API_KEY", key, "nobody") == reason


def test_listing_offers_loads_no_sdk() -> None:
    done = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("OPENAI_BASE_URL", "https://api.openai.com", "OPENAI_BASE_URL: must end in /v1"),
        ("ANTHROPIC_BASE_URL", "https://x.example/v1", "ANTHROPIC_BASE_URL: must not end in /v1"),
        ("OPENAI_BASE_URL", "api.openai.com/v1", "OPENAI_BASE_URL: must begin with https://"),
        ("DEEPGRAM_BASE_URL", "https://x.example/v1", "DEEPGRAM_BASE_URL: must not end in /v1"),
        ("ACCENT_BASE_URL", "accent.internal", "ACCENT_BASE_URL: must begin with https://"),
    ],
)
def test_address_of_the_wrong_form_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("vendor", VENDORS)
def test_key_that_can_not_be_sent_stops_the_start_unshown(
    monkeypatch: pytest.MonkeyPatch, vendor: str
) -> None:
    monkeypatch.setenv(f"{vendor}_API_KEY", "sk-secret sk-secret")
    with pytest.raises(SettingsError, match=f"{vendor}_API_KEY") as caught:
        Settings.load()
    assert "secret" not in str(caught.value)
