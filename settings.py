"""Everything that can be set from outside: one frozen tree, read from the environment once.

Read it in a composition root only (`cli/`, `worker.py`, `orchestrator.py`, the API factory); all
else is handed what it needs. A `.env` file in the working folder is read too; the environment wins.
Temporal's own settings (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, …) are read by its client.
"""

import difflib
import os
import re
from decimal import Decimal
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any, Self
from urllib.parse import parse_qsl, urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import from_json
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from providers.compatible_server import BUILT_IN_NAMES, CompatibleServer
from providers.simulated_script import SimulatedProvider

ROOT = Path(__file__).parent

MAX_BUDGET_USD = 1_000_000
"""The highest limit: sums of picodollars stay exact up to nine times as much."""

# Settings that this version would ignore although something depends on them.
_REFUSED = {
    "AI_ARTIFACTS_URL": None,
    "AI_ENCRYPTION_KEYS": None,
}
# Where pydantic's own words for a kind of mistake say little to an operator.
_REASONS = {"extra_forbidden": "no such key", "model_type": "must be a JSON object"}
# Of PostgreSQL's address, with the values of those that take only some (asyncpg 0.32, `connect`).
_POSTGRES_PARAMETERS = {
    "ssl": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "host": (),
}
_NOT_SENDABLE = "only ASCII characters without spaces can be sent as a key"


class LogFormat(StrEnum):
    """How log lines look."""

    CONSOLE = "console"
    JSON = "json"


class BudgetPolicy(StrEnum):
    """What happens when a tenant's money for the month is used up.

    `warn` never blocks. `soft_block` starts a run while its estimate fits into what is left.
    `hard_block` does so too, and lets no call begin that could pass the limit.
    """

    WARN = "warn"
    SOFT_BLOCK = "soft_block"
    HARD_BLOCK = "hard_block"


class Auth(StrEnum):
    """Who may call the API."""

    OFF = "off"
    REQUIRED = "required"


class SettingsError(Exception):
    """A setting is wrong; the message is one line for the operator."""


class Settings(BaseSettings):
    """The settings, by the names of their environment variables in lower case."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    openai_api_key: SecretStr | None = Field(None, description="Key for OpenAI.", examples=["sk-…"])
    openai_base_url: str | None = Field(
        None,
        description="OpenAI's address, or that of a server with the same API; ends in /v1.",
        examples=["https://api.openai.com/v1"],
    )
    anthropic_api_key: SecretStr | None = Field(
        None, description="Key for Anthropic.", examples=["sk-ant-…"]
    )
    anthropic_base_url: str | None = Field(
        None,
        description="Anthropic's address, or that of a gateway to it; without /v1.",
        examples=["https://api.anthropic.com"],
    )
    deepgram_api_key: SecretStr | None = Field(
        None, description="Key for Deepgram.", examples=["0123456789abcdef…"]
    )
    deepgram_base_url: str | None = Field(
        None,
        description="Deepgram's address, or that of one that you host; without /v1.",
        examples=["https://api.deepgram.com"],
    )
    accent_api_key: SecretStr | None = Field(
        None, description="Key for Accent, the internal service for personal data.", examples=["…"]
    )
    accent_base_url: str | None = Field(
        None,
        description="Accent's address; without /v1.",
        examples=["https://accent.internal.example.com"],
    )
    ai_compatible_providers: Annotated[tuple[CompatibleServer, ...], NoDecode] = Field(
        (),
        description="Servers that speak OpenAI's Chat Completions API, a JSON list.",
        examples=[
            (
                '[{"name": "vllm", "base_url": "http://localhost:8000/v1", "model": "qwen3-32b", '
                '"api_key_env": "VLLM_API_KEY"}]'
            )
        ],
    )
    ai_simulated_providers: Annotated[tuple[SimulatedProvider, ...], NoDecode] = Field(
        (),
        description="Providers that are only simulated, by a script, a JSON list.",
        examples=['[{"name": "sim", "script": [{"attempts": [1], "do": "rate_limited"}]}]'],
    )
    ai_data_dir: Path = Field(
        Path(".perdure"), description="Folder for all local state.", examples=[".perdure"]
    )
    ai_database_url: SecretStr | None = Field(
        None,
        description="URL of the ledger's database; default: SQLite in the data folder.",
        examples=[
            "postgresql+asyncpg://perdure:password@localhost/perdure",
            "sqlite+aiosqlite:///./perdure.db",
        ],
    )
    ai_task_queue: str = Field(
        "perdure", description="Temporal task queue.", examples=["perdure"], min_length=1
    )
    ai_pipelines_path: Path | None = Field(
        None,
        description="Folder of definitions in YAML or JSON, read when API and workers start.",
        examples=["pipelines"],
    )
    ai_prices_path: Path | None = Field(
        None,
        description="File of prices of your own, TOML, which win over the list prices.",
        examples=["prices.toml"],
    )
    ai_auth: Auth = Field(Auth.OFF, description="Whether callers need a key.", examples=["off"])
    ai_log_format: LogFormat = Field(
        LogFormat.CONSOLE, description="How log lines look.", examples=["json"]
    )
    ai_fetch_allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Hosts, private ones too, that recordings may be fetched from over http(s).",
        examples=["media.example.com,10.0.0.5:8000"],
    )
    ai_max_artifact_bytes: int = Field(
        1 << 30, description="Largest upload or download, in bytes.", examples=["1073741824"], gt=0
    )
    ai_default_monthly_budget_usd: Decimal = Field(
        Decimal(100),
        description="What a tenant without a budget of its own may spend in a month (UTC), in USD.",
        examples=["100.00"],
        ge=0,
        le=MAX_BUDGET_USD,
    )
    ai_budget_policy: BudgetPolicy = Field(
        BudgetPolicy.SOFT_BLOCK,
        description="What happens when a tenant's budget is used up.",
        examples=["soft_block"],
    )
    ai_metrics_port: int = Field(
        9464,
        description="Port of the worker's /metrics on 127.0.0.1; 0 takes any free one.",
        examples=["9464"],
        ge=0,
        le=65535,
    )

    @field_validator("ai_fetch_allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(host.strip() for host in value.split(",") if host.strip())
        return value

    @field_validator("ai_compatible_providers", "ai_simulated_providers", mode="before")
    @classmethod
    def _parse(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            parsed = from_json(value)
        except ValueError as error:
            raise ValueError(f"must be a JSON list ({error})") from None
        if not isinstance(parsed, list):
            raise ValueError("must be a JSON list")  # noqa: TRY004 - for pydantic
        return parsed

    @field_validator("ai_compatible_providers")
    @classmethod
    def _different_names(cls, value: tuple[CompatibleServer, ...]) -> tuple[CompatibleServer, ...]:
        names = [server.name for server in value]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the name '{name}' is given twice")
        return value

    @field_validator("ai_simulated_providers")
    @classmethod
    def _names_of_their_own(
        cls, value: tuple[SimulatedProvider, ...], info: ValidationInfo
    ) -> tuple[SimulatedProvider, ...]:
        servers = {server.name for server in info.data.get("ai_compatible_providers", ())}
        names = [entry.name for entry in value]
        for name in names:
            if name in BUILT_IN_NAMES | servers:
                raise ValueError(f"'{name}' is the name of a provider that is there already")
            if names.count(name) > 1:
                raise ValueError(f"the name '{name}' is given twice")
        return value

    @field_validator("openai_api_key", "anthropic_api_key", "deepgram_api_key", "accent_api_key")
    @classmethod
    def _sendable_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_sendable(value):
            raise ValueError(_NOT_SENDABLE)
        return value

    @field_validator(
        "openai_base_url", "anthropic_base_url", "deepgram_base_url", "accent_base_url"
    )
    @classmethod
    def _http_address(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        value = value.rstrip("/")
        if not value.startswith(("https://", "http://")):
            raise ValueError("must begin with https:// or http://")
        if value.endswith("/v1") != (info.field_name == "openai_base_url"):
            raise ValueError(f"must {'not ' if value.endswith('/v1') else ''}end in /v1")
        return value

    @field_validator("ai_auth")
    @classmethod
    def _known_auth(cls, value: Auth) -> Auth:
        if value != Auth.OFF:
            raise ValueError("keys for the API are not supported yet, only off is")
        return value

    @field_validator("ai_database_url")
    @classmethod
    def _known_database(cls, value: SecretStr | None) -> SecretStr | None:
        address = "" if value is None else value.get_secret_value()
        if address.startswith("postgresql+asyncpg://"):
            _check_postgres_address(address)
        elif value is not None and not address.startswith("sqlite+aiosqlite:///"):
            raise ValueError("must begin with postgresql+asyncpg:// or sqlite+aiosqlite:///")
        return value

    def prepare_data_dir(self) -> None:
        """Make the folder for local state.

        Raises:
            SettingsError: It can't be made, or not be written.
        """
        folder = self.ai_data_dir
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise SettingsError(
                f"AI_DATA_DIR: the folder {folder} can't be written ({error.strerror}). "
                "Example: AI_DATA_DIR=.perdure"
            ) from None

    @property
    def database_url(self) -> str:
        """The ledger's database; may hold a password."""
        if self.ai_database_url is not None:
            return self.ai_database_url.get_secret_value()
        return f"sqlite+aiosqlite:///{self.ai_data_dir / 'perdure.db'}"

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read `.env` and the environment; overrides win.

        Raises:
            SettingsError: naming the variable, the form of its value and an example.
        """
        file = {name: value for name, value in dotenv_values(".env").items() if value is not None}
        _refuse_unknown(file)
        try:
            return cls(_env_file=".env", **overrides)
        except ValidationError as error:
            raise SettingsError(_explain(error)) from None


def read_key(variable: str) -> SecretStr | None:
    """Read a key from a variable that a setting names, the way settings are read.

    Raises:
        SettingsError: naming the variable and an example.
    """
    value = os.environ.get(variable) or dotenv_values(".env").get(variable)
    if not value:
        return None
    key = SecretStr(value)
    if not _is_sendable(key):
        raise SettingsError(f"{variable}: {_NOT_SENDABLE}. Example: {variable}=sk-…")
    return key


def _is_sendable(key: SecretStr) -> bool:
    return re.fullmatch(r"[!-~]+", key.get_secret_value()) is not None


def _check_postgres_address(address: str) -> None:
    """Refuse what the driver would fail at only later, and less clearly.

    Raises:
        ValueError: says what is wrong with it, and shows nothing of it.
    """
    try:
        parts = urlsplit(address)
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
        host = parts.hostname or parameters.get("host")
        is_sound = host and parts.path.strip("/") and parts.port != 0 and not parts.fragment
    except ValueError:
        is_sound = False
    if not is_sound or address.count("@") > 1:
        raise ValueError(
            "must name a host and a database; in the user's name and password, characters other "
            "than letters and digits are written as %40 for @, %2F for / and so on"
        )
    if parameters.keys() - _POSTGRES_PARAMETERS.keys():
        raise ValueError(f"takes the parameters {' and '.join(_POSTGRES_PARAMETERS)} only")
    modes = _POSTGRES_PARAMETERS["ssl"]
    if parameters.get("ssl", modes[0]) not in modes:
        raise ValueError(f"the parameter 'ssl' takes {', '.join(modes)}")
    if find_spec("asyncpg") is None:
        raise ValueError("PostgreSQL needs one package more: pip install 'perdure[postgres]'")


def _refuse_unknown(file: dict[str, str]) -> None:
    """Find misspelt `AI_…` variables; other programs' variables are none of our business."""
    known = [name.upper() for name in Settings.model_fields]
    for name in (*file, *os.environ):
        value = os.environ.get(name, file.get(name))
        if name in _REFUSED and _REFUSED[name] in (None, value):
            raise SettingsError(f"{name}={value if _REFUSED[name] else '…'} is not supported yet.")
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
        if name.startswith("AI_") and name not in known and near:
            raise SettingsError(f"{name} is not a setting. Did you mean {near[0]}?")


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    name = str(first["loc"][0])
    field = Settings.model_fields[name]
    example = (field.examples or [""])[0]
    place = "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in first["loc"][1:])
    # An address may hold a password, a list of servers a key that does not belong there; a script
    # is long.
    kinds = ("SecretStr", "CompatibleServer", "SimulatedProvider")
    secret = any(kind in str(field.annotation) for kind in kinds) or name.endswith("_url")
    got = "" if secret else f", got {str(first['input'])!r}"
    reason = _REASONS.get(first["type"], first["msg"].removeprefix("Value error, "))
    reason = reason[:1].lower() + reason[1:]
    return f"{name.upper()}{place}: {reason}{got}. Example: {name.upper()}={example}"
