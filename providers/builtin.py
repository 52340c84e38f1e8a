"""The adapters that come with the product."""

from collections.abc import Mapping, Sequence

from providers.adapters.anthropic import AnthropicAdapter
from providers.adapters.base import ProviderAdapter
from providers.adapters.local import LocalAdapter
from providers.adapters.openai import OpenAIAdapter
from providers.types import Capability
from settings import Settings

_SPEECH = frozenset({Capability.TRANSCRIPTION, Capability.TRANSCRIPTION_DIARIZATION})
_TEXT = frozenset(Capability) - _SPEECH
NAMEABLE: Mapping[str, frozenset[Capability]] = {
    "accent": frozenset({Capability.PII_REDACTION}),
    "anthropic": _TEXT,
    "deepgram": _SPEECH,
    "openai": frozenset(Capability),
}
"""What a definition may prefer these vendors for, also where an adapter does not offer it yet."""


def build_adapters(settings: Settings) -> Sequence[ProviderAdapter]:
    """Make every adapter; one without its key offers nothing that is available."""
    return [
        LocalAdapter(),
        OpenAIAdapter(settings.openai_api_key, settings.openai_base_url),
        AnthropicAdapter(settings.anthropic_api_key, settings.anthropic_base_url),
    ]
