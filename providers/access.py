"""Whether a vendor can be called from here: it takes a key, and the package of its SDK."""

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec

from pydantic import SecretStr


def why_unavailable(setting: str, key: SecretStr | None, package: str) -> str | None:
    """Say what to do before the vendor can be called; None when nothing is missing.

    Args:
        setting: The environment variable of the key.
        key: The key, where there is one.
        package: The SDK's package, which the extra of the same name installs.
    """
    todo = [] if key else [f"Set {setting}"]
    if find_spec(package) is None:
        todo.append(f"pip install 'perdure[{package}]'")
    if not todo:
        return None
    return f"{' and '.join(todo)} to enable it."


def fingerprint(key: SecretStr | None) -> str:
    """Tell keys apart; too short to confirm a guess at one."""
    if key is None:
        return ""
    secret = key.get_secret_value().encode()
    return hashlib.blake2b(secret, digest_size=4, person=b"perdure-key").hexdigest()


def why_unset(settings: Mapping[str, object]) -> str | None:
    """Say which settings a vendor without an SDK still needs; None when nothing is missing."""
    missing = [name for name, value in settings.items() if not value]
    return f"Set {' and '.join(missing)} to enable it." if missing else None
