"""A user's own prices win over list prices, or stop the start with one line."""

from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from providers.own_prices import load_own_prices
from providers.prices import cost_of
from providers.registry import CapabilityRegistry, build_registry
from providers.types import Capability, Usage
from settings import ROOT, Settings, SettingsError
from tests.snippets import blocks

EXAMPLE = blocks(ROOT / "docs" / "providers.md", "toml")[-1]


def registry_with(tmp_path: Path, text: str) -> CapabilityRegistry:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    key = SecretStr("sk-1")
    return build_registry(
        Settings(
            ai_prices_path=path,
            openai_api_key=key,
            deepgram_api_key=key,
            accent_api_key=key,
            accent_base_url="https://accent.example.com",
        )
    )


def test_the_example_of_the_documentation_is_what_calls_cost(tmp_path: Path) -> None:
    registry = registry_with(tmp_path, EXAMPLE)
    speech = registry.find("deepgram", Capability.TRANSCRIPTION_DIARIZATION, "nova-3")
    heard = Usage(audio_seconds=120, diarized_seconds=60)
    assert cost_of(speech, heard) == Decimal("0.0087")
    assert speech.price_source == "our contract of 2026-10"
    text = registry.find("openai", Capability.SUMMARIZATION, "gpt-6-luna")
    used = Usage(input_tokens=1_000_000, cached_input_tokens=500_000, output_tokens=1_000_000)
    assert cost_of(text, used) == Decimal("0.444")
    assert text.price == Decimal("0.00000008")
    assert text.price_source == "the price file"
    pii = registry.find("accent", Capability.PII_REDACTION, "accent-pii")
    assert cost_of(pii, Usage(characters=10)) == Decimal("0.00001")


def test_without_a_file_nothing_changes() -> None:
    assert load_own_prices(None) == {}
    assert Settings().ai_prices_path is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[deepgram", "is not TOML"),
        ("[deepgram.nova-3]\nper_minute = 'much'", "deepgram.nova-3.per_minute"),
        ("[deepgram.nova-3]\nper_minute = '-1'", "deepgram.nova-3.per_minute"),
        ("[deepgram.nova-3]\nper_hour = '1'", "deepgram.nova-3.per_hour"),
        ("[deepgram.nova-3]\nper_character = '1'", "is sold by the minute and takes per_minute"),
        ("[deepgram.nova-4]\nper_minute = '1'", "Did you mean deepgram.nova-3?"),
        (
            "[openai.gpt-6-luna]\ninput_per_mtok = '1'",
            "is sold by the token and takes input_per_mtok and output_per_mtok",
        ),
        ("[local.vader]\nper_character = '1'", "it is free"),
    ],
)
def test_a_price_that_can_not_be_used_stops_the_start(
    tmp_path: Path, text: str, expected: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        registry_with(tmp_path, text)
    assert expected in str(caught.value)
    assert str(caught.value).startswith("AI_PRICES_PATH: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"AI_PRICES_PATH: .* can't be read"):
        load_own_prices(tmp_path / "nothing.toml")
