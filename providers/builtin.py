"""The adapters that come with the product."""

from collections.abc import Sequence

from providers.adapters.anthropic import AnthropicAdapter
from providers.adapters.base import ProviderAdapter
from providers.adapters.local import LocalAdapter
from providers.adapters.openai import OpenAIAdapter
from settings import Settings


def build_adapters(settings: Settings) -> Sequence[ProviderAdapter]:
    """Make every adapter; one without its key offers nothing that is available."""
    return [
        LocalAdapter(),
        OpenAIAdapter(settings.openai_api_key, settings.openai_base_url),
        AnthropicAdapter(settings.anthropic_api_key, settings.anthropic_base_url),
    ]
