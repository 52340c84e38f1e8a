"""What is not sold by the token costs what the documentation says, to the last digit."""

from decimal import Decimal

import pytest

from providers.adapters.accent import AccentAdapter
from providers.adapters.deepgram import DeepgramAdapter
from providers.list_prices import find_unit_price
from providers.prices import cost_of
from providers.types import CostUnit, Offer, Usage
from settings import ROOT

DOCUMENT = ROOT / "docs" / "providers.md"
PLAIN, DIARIZATION = DeepgramAdapter(None).offers()
(REDACTION,) = AccentAdapter(None).offers()


@pytest.mark.parametrize(
    ("sold", "offer", "usage"),
    [
        ("minutes", PLAIN, Usage(audio_seconds=57.235)),
        (
            "minutes, voices told apart",
            DIARIZATION,
            Usage(audio_seconds=57.235, diarized_seconds=57.235),
        ),
        ("minutes, both channels", DIARIZATION, Usage(audio_seconds=2 * 57.235)),
        (
            "characters",
            REDACTION.model_copy(update={"price": Decimal("0.00002")}),
            Usage(characters=1234),
        ),
    ],
)
def test_documented_examples_are_reproduced_to_the_last_digit(
    sold: str, offer: Offer, usage: Usage
) -> None:
    (row,) = [line for line in DOCUMENT.read_text().splitlines() if line.startswith(f"| {sold} |")]
    assert row.split("|")[3].strip() == f"{cost_of(offer, usage):f}"


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
