"""What `perdure doctor` looks at on this machine. Nothing is made, migrated or sent."""

import asyncio
import re
import shutil
import sqlite3
import sys
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal

from sqlalchemy.engine import make_url

from cli.figures import count
from devserver import DevServerDescription, is_free
from ledger.database import find_revision, newest_revision
from providers.registry import CapabilityRegistry
from providers.types import Capability, Offer
from settings import Settings, SettingsError

Status = Literal["ok", "note", "problem"]

_HOST = "127.0.0.1"
_API_PORT = 8080
_LITTLE_SPACE = 1 << 30  # bytes
_NOT_FOR_USERS = {"test"}
_REQUIREMENT = re.compile(r"(?P<package>[\w.-]+)[^;]*;.*extra == ['\"](?P<extra>\w+)['\"]")


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's.

    Attributes:
        status: `problem` where something that is needed, or was asked for by a setting, is not
            well; `note` where something is missing that not everybody needs.
        mend: What to type or to set.
    """

    name: str
    status: Status
    found: str
    mend: str | None = None


def check_installation() -> Sequence[Check]:
    """Tell the versions, and which extras are there."""
    python = ".".join(map(str, sys.version_info[:3]))
    lacking = {extra for extra, package in _extras() if not _is_installed(package)}
    present = sorted({extra for extra, _ in _extras()} - lacking)
    found = f"{', '.join(present) or 'none'} installed"
    mend = None
    if lacking:
        found += f"; not {', '.join(sorted(lacking))}"
        mend = f"pip install 'perdure[{','.join(sorted(lacking))}]'"
    return [
        Check("perdure", "ok", f"{version('perdure')}, Python {python}"),
        Check("extras", "note" if lacking else "ok", found, mend),
    ]


def check_settings() -> Check:
    """Tell where the settings were read from; they could be."""
    source = "the environment and .env" if Path(".env").exists() else "the environment"
    return Check("settings", "ok", f"read from {source}")


def check_data_folder(settings: Settings) -> Check:
    """See whether the data folder can be written, or made."""
    folder = settings.ai_data_dir.absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with TemporaryFile(dir=there):
            pass
        free = shutil.disk_usage(there).free
    except OSError as error:
        mend = "Make it writable, or set AI_DATA_DIR to another folder."
        return Check("data folder", "problem", f"{folder}: {error.strerror}", mend)
    found = str(folder) if there == folder else f"{folder}, made at the first start"
    if free < _LITTLE_SPACE:
        mend = "Free some, or set AI_DATA_DIR to a folder on another disk."
        return Check("data folder", "note", f"{found}; {free >> 20} MiB are free", mend)
    return Check("data folder", "ok", f"{found}; {free >> 30} GiB are free")


def check_database(settings: Settings) -> Check:
    """See whether the database can be read; it is neither made nor migrated."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "postgresql":
        return _check_postgres(settings.database_url)
    path = Path(url.database or "").absolute()
    if not path.exists():
        return Check("database", "ok", f"{path}, made at the first start")
    try:
        # Not read-only: a write-ahead log that was left behind could not be read then.
        with closing(sqlite3.connect(path)) as connection:
            rows = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error as error:
        mend = f"Move {path} away, or set AI_DATABASE_URL to another one."
        return Check("database", "problem", f"{path}: {error}", mend)
    return Check("database", "ok", f"{path}, at migration {', '.join(row[0] for row in rows)}")


def _check_postgres(url: str) -> Check:
    shown = make_url(url).render_as_string(hide_password=True)
    try:
        found = asyncio.run(find_revision(url))
    except SettingsError as error:
        found, _, example = str(error).partition(" Example: ")
        return Check("database", "problem", f"{shown}: {found}", example)
    newest = newest_revision()
    if found == newest:
        return Check("database", "ok", f"{shown}, at migration {found}")
    state = f"at migration {found}, not {newest}" if found else "without tables"
    mend = "Run `perdure db upgrade`; API and workers do the same when they start."
    return Check("database", "note", f"{shown}, {state}", mend)


def check_providers(settings: Settings, registry: CapabilityRegistry) -> Sequence[Check]:
    """Tell of each provider whether it can be called, and of capabilities that nobody has."""
    offers = registry.offers
    names = sorted({offer.provider for offer in offers})
    return [
        *(_check_provider(name, offers, settings) for name in names),
        *_check_capabilities(offers),
    ]


def check_ports(settings: Settings, ours: Collection[int]) -> Check:
    """See whether the ports that our processes take by default are free.

    Args:
        settings: The metrics' port is taken from here.
        ours: Ports where something of ours answers.
    """
    address = DevServerDescription.load().address
    uses = {
        _API_PORT: "API",
        address.port: "Temporal",
        address.ui_port: "Temporal's UI",
        settings.ai_metrics_port: "metrics",
    }
    taken = [port for port in uses if port and port not in ours and not is_free(_HOST, port)]
    if not taken:
        return Check("ports", "ok", f"{', '.join(map(str, filter(None, uses)))} are free, or ours")
    found = ", ".join(f"{port} ({uses[port]})" for port in taken)
    mend = (
        "Stop what uses them, or choose others: `perdure dev --api-port N --temporal-port N "
        "--ui-port N`; AI_METRICS_PORT."
    )
    return Check("ports", "note", f"in use: {found}", mend)


def _check_provider(name: str, offers: Sequence[Offer], settings: Settings) -> Check:
    own = [offer for offer in offers if offer.provider == name]
    usable = [offer for offer in own if offer.available]
    mend = " ".join(dict.fromkeys(offer.reason or "" for offer in own if not offer.available))
    found = count(len(usable), "offer") if usable else "not available"
    if not mend:
        return Check(name, "ok", found)
    return Check(name, "problem" if _is_wanted(name, settings) else "note", found, mend)


def _is_wanted(name: str, settings: Settings) -> bool:
    """Say whether a setting asks for the provider: its key, or an entry in the list of servers."""
    servers = {server.name for server in settings.ai_compatible_providers}
    return name in servers or getattr(settings, f"{name}_api_key", None) is not None


def _check_capabilities(offers: Sequence[Offer]) -> Sequence[Check]:
    lacking = [
        capability
        for capability in Capability
        if not any(offer.available for offer in offers if offer.capability == capability)
    ]
    if not lacking:
        return []
    mend = "Enable one of the providers above that has it: `perdure providers` shows which."
    return [Check("capabilities", "note", f"nobody can do {', '.join(lacking)}", mend)]


def _extras() -> Sequence[tuple[str, str]]:
    """List the extras of our package with what each requires."""
    matches = (_REQUIREMENT.match(line) for line in requires("perdure") or ())
    return [
        (match["extra"], match["package"])
        for match in matches
        if match and match["extra"] not in _NOT_FOR_USERS
    ]


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
