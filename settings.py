"""Everything that can be set from outside: one frozen tree, read from the environment once.

Read it in a composition root only (`cli/`, `worker.py`, `orchestrator.py`, the API factory); all
else is handed what it needs. A `.env` file in the working folder is read too; the environment wins.
Temporal's own settings (`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, …) are read by its client.
"""

import difflib
import os
import re
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any, Self

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import from_json
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from providers.compatible_server import CompatibleServer

ROOT = Path(__file__).parent

# Settings that this version would ignore although something depends on them.
_REFUSED = {
    "AI_ARTIFACTS_URL": None,
    "AI_BUDGET_POLICY": "hard_block",
    "AI_ENCRYPTION_KEYS": None,
}
# Settings that this version ignores, which it says.
_WITHOUT_EFFECT = (
    "AI_BUDGET_POLICY",
    "AI_DEFAULT_MONTHLY_BUDGET_USD",
)
# Where pydantic's own words for a kind of mistake say little to an operator.
_REASONS = {"extra_forbidden": "no such key", "model_type": "must be a JSON object"}
_NOT_SENDABLE = "only ASCII characters without spaces can be sent as a key"


class LogFormat(StrEnum):
    """How log lines look."""

    CONSOLE = "console"
    JSON = "json"


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
    ai_data_dir: Path = Field(
        Path(".perdure"), description="Folder for all local state.", examples=[".perdure"]
    )
    ai_database_url: str | None = Field(
        None,
        description="SQLAlchemy URL of the ledger; default: SQLite in the data folder.",
        examples=["sqlite+aiosqlite:///./perdure.db"],
    )
    ai_task_queue: str = Field(
        "perdure", description="Temporal task queue.", examples=["perdure"], min_length=1
    )
    ai_pipelines_path: Path | None = Field(
        None,
        description="Folder of definitions in YAML or JSON, read when API and workers start.",
        examples=["pipelines"],
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

    @field_validator("ai_compatible_providers", mode="before")
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
    def _known_database(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith("sqlite+aiosqlite:///"):
            raise ValueError("only sqlite+aiosqlite:/// is supported")
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
        """The ledger's database."""
        return self.ai_database_url or f"sqlite+aiosqlite:///{self.ai_data_dir / 'perdure.db'}"

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


def settings_without_effect() -> list[str]:
    """Name the settings that are given and that this version ignores."""
    return [name for name in _WITHOUT_EFFECT if name in {**dotenv_values(".env"), **os.environ}]


def _explain(error: ValidationError) -> str:
    first = error.errors()[0]
    name = str(first["loc"][0])
    field = Settings.model_fields[name]
    example = (field.examples or [""])[0]
    place = "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in first["loc"][1:])
    # An address may hold a password, and a list of servers a key that does not belong there.
    kinds = ("SecretStr", "CompatibleServer")
    secret = any(kind in str(field.annotation) for kind in kinds) or name.endswith("_url")
    got = "" if secret else f", got {str(first['input'])!r}"
    reason = _REASONS.get(first["type"], first["msg"].removeprefix("Value error, "))
    reason = reason[:1].lower() + reason[1:]
    return f"{name.upper()}{place}: {reason}{got}. Example: {name.upper()}={example}"
