"""The adapters that there are: those that come with the product, then those of packages."""

from collections.abc import Sequence

from providers.adapters.accent import AccentAdapter
from providers.adapters.anthropic import AnthropicAdapter
from providers.adapters.base import ProviderAdapter
from providers.adapters.compatible import CompatibleAdapter
from providers.adapters.deepgram import DeepgramAdapter
from providers.adapters.local import LocalAdapter
from providers.adapters.openai import OpenAIAdapter
from providers.adapters.simulated import SimulatedAdapter
from providers.installed import build_installed
from providers.simulated_books import FILE_NAME, SimulatedBooks
from settings import Settings, read_key


def build_adapters(settings: Settings) -> Sequence[ProviderAdapter]:
    """Make every adapter; one without its key offers nothing that is available.

    Raises:
        SettingsError: An installed package brings one that can't be used, or a key can't be sent.
    """
    own: list[ProviderAdapter] = [
        LocalAdapter(),
        OpenAIAdapter(settings.openai_api_key, settings.openai_base_url),
        AnthropicAdapter(settings.anthropic_api_key, settings.anthropic_base_url),
        DeepgramAdapter(settings.deepgram_api_key, settings.deepgram_base_url),
        AccentAdapter(settings.accent_api_key, settings.accent_base_url),
    ]
    for server in settings.ai_compatible_providers:
        key = read_key(server.api_key_env) if server.api_key_env else None
        own.append(CompatibleAdapter(server, key))
    books = SimulatedBooks(settings.ai_data_dir / FILE_NAME)
    own += [SimulatedAdapter(entry, books) for entry in settings.ai_simulated_providers]
    return [*own, *build_installed(own)]
