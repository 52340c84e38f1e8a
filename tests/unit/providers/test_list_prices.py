"""What calls cost is what the documentation says, to the last digit."""

from decimal import Decimal

import pytest

from providers.adapters.accent import AccentAdapter
from providers.adapters.deepgram import DeepgramAdapter
from providers.adapters.openai import OpenAIAdapter
from providers.list_prices import find_unit_price
from providers.prices import cost_of
from providers.types import Capability, CostUnit, Offer, Usage
from settings import ROOT

DOCUMENT = ROOT / "docs" / "providers.md"
PLAIN, DIARIZATION = DeepgramAdapter(None).offers()
(REDACTION,) = AccentAdapter(None).offers()


OPENAI = {offer.capability: offer for offer in OpenAIAdapter(None).offers()}
EXAMPLES = {
    "minutes": (PLAIN, Usage(audio_seconds=57.235)),
    "minutes, voices told apart": (
        DIARIZATION,
        Usage(audio_seconds=57.235, diarized_seconds=57.235),
    ),
    "minutes, both channels": (DIARIZATION, Usage(audio_seconds=2 * 57.235)),
    "minutes, at OpenAI": (OPENAI[Capability.TRANSCRIPTION], Usage(audio_seconds=90)),
    "tokens of sound": (
        OPENAI[Capability.TRANSCRIPTION_DIARIZATION],
        Usage(input_tokens=900, input_audio_tokens=900, output_tokens=120),
    ),
    "tokens of text": (
        OPENAI[Capability.LLM_GENERATION],
        Usage(
            input_tokens=1000,
            cached_input_tokens=200,
            cache_write_input_tokens=100,
            output_tokens=51,
        ),
    ),
    "characters": (
        REDACTION.model_copy(update={"price": Decimal("0.00002")}),
        Usage(characters=1234),
    ),
}


def test_documented_examples_are_reproduced_to_the_last_digit() -> None:
    _, table = DOCUMENT.read_text().split("| sold | example | USD |\n| --- | --- | --- |\n")
    rows = [line.split("|") for line in table.partition("\n\n")[0].splitlines()]
    documented = {sold.strip(): cost.strip() for _, sold, _, cost, _ in rows}
    assert documented == {
        sold: f"{cost_of(offer, usage):f}" for sold, (offer, usage) in EXAMPLES.items()
    }


def test_telling_voices_apart_is_never_free() -> None:
    usage = Usage(audio_seconds=60, diarized_seconds=60)
    assert cost_of(DIARIZATION, usage) == Decimal("0.0063")
    assert cost_of(PLAIN, usage) is None
    assert cost_of(PLAIN, Usage(audio_seconds=60, diarized_seconds=0)) == Decimal("0.0043")


@pytest.mark.parametrize(
    ("offer", "unit"), [(PLAIN, CostUnit.MINUTE), (REDACTION, CostUnit.CHARACTER)]
)
def test_file_has_the_unit_that_is_offered_and_its_source(offer: Offer, unit: CostUnit) -> None:
    listed = find_unit_price(offer.provider, offer.model)
    assert (listed.unit, offer.cost_unit) == (unit, unit)
    assert offer.price_source == listed.price_source
    assert len(listed.price_source) <= 200, "the ledger's column"
