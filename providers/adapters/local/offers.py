"""What the embedded provider offers, and whether its packages are there."""

from collections.abc import Sequence
from decimal import Decimal
from importlib.util import find_spec

from providers.adapters.local.limits import LANGUAGE, MAX_FILE_BYTES, MAX_SECONDS
from providers.types import Capability, CostUnit, Limits, Offer, QualityTier

NAME = "local"

_SPEECH = ("numpy", "soundfile", "pocketsphinx")
_SPEECH_LIMITS = Limits(
    max_file_bytes=MAX_FILE_BYTES, max_duration_seconds=MAX_SECONDS, languages=(LANGUAGE,)
)
_TEXT_LIMITS = Limits(languages=(LANGUAGE,))

_CATALOGUE: tuple[tuple[Capability, str, tuple[str, ...], Limits, str], ...] = (
    (
        Capability.TRANSCRIPTION,
        "pocketsphinx-en-us",
        _SPEECH,
        _SPEECH_LIMITS,
        (
            "Good for clean, slow English speech; of ordinary or noisy speech it gets every third"
            " to second word wrong."
        ),
    ),
    (
        Capability.TRANSCRIPTION_DIARIZATION,
        "pocketsphinx-en-us",
        _SPEECH,
        _SPEECH_LIMITS,
        (
            "Separates speakers only in two-channel recordings, one speaker on each channel, and"
            " needs clean, slow English speech."
        ),
    ),
    (
        Capability.PII_REDACTION,
        "presidio-patterns",
        ("presidio_analyzer",),
        _TEXT_LIMITS,
        (
            "Finds patterns and set phrases, written or spoken; a name, a place or a date that"
            " nothing announces stays."
        ),
    ),
    (
        Capability.SENTIMENT_ANALYSIS,
        "vader",
        ("vaderSentiment",),
        _TEXT_LIMITS,
        (
            "Counts the words of an English lexicon; it misses irony, context and whatever is said"
            " without such words."
        ),
    ),
    (
        Capability.SUMMARIZATION,
        "lexrank",
        ("numpy",),
        _TEXT_LIMITS,
        "Picks the key sentences as they stand; it writes nothing of its own.",
    ),
)


def build_offers() -> Sequence[Offer]:
    """List all five, those whose packages are missing with the mend."""
    return [
        Offer(
            provider=NAME,
            capability=capability,
            model=model,
            quality_tier=QualityTier.BASIC,
            cost_unit=CostUnit.FREE,
            price=Decimal(0),
            price_source="embedded: runs on your own processor",
            limits=limits,
            available=not missing,
            reason=_mend(missing) if missing else None,
            caveat=caveat,
        )
        for capability, model, packages, limits, caveat in _CATALOGUE
        for missing in [_missing(packages)]
    ]


def _missing(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Look, without importing, which of the packages are not installed."""
    return tuple(package for package in packages if find_spec(package) is None)


def _mend(missing: tuple[str, ...]) -> str:
    return f"{', '.join(missing)} not installed: pip install 'perdure[local]'"
