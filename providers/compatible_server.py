"""What the settings say about a server that speaks OpenAI's Chat Completions API."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from providers.types import Capability, QualityTier, TokenPrices, Value

TEXT_CAPABILITIES = frozenset(Capability) - {
    Capability.TRANSCRIPTION,
    Capability.TRANSCRIPTION_DIARIZATION,
}
BUILT_IN_NAMES = frozenset({"accent", "anthropic", "deepgram", "local", "openai"})
"""Providers that come with the product; no server can have such a name."""

_NonEmpty = Annotated[str, StringConstraints(min_length=1)]
_UsdPerMillion = Annotated[Decimal, Field(ge=0)]


class CompatibleServer(Value):
    """One entry of `AI_COMPATIBLE_PROVIDERS`.

    Attributes:
        name: The provider's name, as definitions and `GET /providers` have it.
        model: The model's name, as the server has it.
        api_key_env: The environment variable that holds the key; absent for a server without keys.
        input_usd_per_mtok: For a million input tokens, cached ones too. Both prices 0: free. Both
            absent: unknown.
        output_usd_per_mtok: For a million output tokens.
        context_tokens: The most that the model reads and writes in one call.
        keeps_limits: Whether the server surely reads no more than `context_tokens` and writes no
            more than it is asked for (`max_tokens`): only then there is a bound of what a call may
            cost, which hard limits need.
        structured_output: Whether the server takes a `response_format` with a JSON Schema; without
            it the schema is part of the instructions.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    base_url: str
    model: _NonEmpty
    api_key_env: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = (
        None
    )
    capabilities: Annotated[frozenset[Capability], Field(min_length=1)] = TEXT_CAPABILITIES
    quality_tier: QualityTier = QualityTier.STANDARD
    input_usd_per_mtok: _UsdPerMillion | None = None
    output_usd_per_mtok: _UsdPerMillion | None = None
    context_tokens: int | None = Field(default=None, ge=1)
    keeps_limits: bool = False
    structured_output: bool = True

    @property
    def token_prices(self) -> TokenPrices | None:
        """What tokens cost; None where that is unknown."""
        given, written = self.input_usd_per_mtok, self.output_usd_per_mtok
        if given is None or written is None:
            return None
        return TokenPrices(input=given, cached_input=given, cache_write_input=None, output=written)

    @property
    def is_free(self) -> bool:
        """Whether the entry says that nothing is paid."""
        return self.input_usd_per_mtok == self.output_usd_per_mtok == 0

    @field_validator("name")
    @classmethod
    def _own_name(cls, value: str) -> str:
        if value in BUILT_IN_NAMES:
            raise ValueError(f"'{value}' is the name of a provider that is built in")
        return value

    @field_validator("base_url")
    @classmethod
    def _http_address(cls, value: str) -> str:
        value = value.rstrip("/")
        if not (value.startswith(("https://", "http://")) and value.endswith("/v1")):
            raise ValueError("must begin with https:// or http:// and end in /v1")
        return value

    @field_validator("capabilities")
    @classmethod
    def _texts_only(cls, value: frozenset[Capability]) -> frozenset[Capability]:
        if value - TEXT_CAPABILITIES:
            raise ValueError(f"such a server can do {', '.join(sorted(TEXT_CAPABILITIES))} only")
        return value

    @model_validator(mode="after")
    def _both_prices(self) -> Self:
        if (self.input_usd_per_mtok is None) != (self.output_usd_per_mtok is None):
            raise ValueError("give both input_usd_per_mtok and output_usd_per_mtok, or neither")
        return self

    @model_validator(mode="after")
    def _limits_to_keep(self) -> Self:
        if self.keeps_limits and self.context_tokens is None:
            raise ValueError("keeps_limits needs context_tokens, which is one of them")
        return self
