"""How every process of ours connects to Temporal.

Address, namespace, TLS and key are Temporal's own settings (`TEMPORAL_ADDRESS`, …, or its
configuration file); the data converter is ours and the same everywhere.
"""

import asyncio
import os
from urllib.parse import urlsplit

from dotenv import dotenv_values
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.service import RetryConfig

DEFAULT_ADDRESS = "localhost:7233"
# A caller who waits gets a clear answer soon; what must go on retries by itself.
_RETRY = RetryConfig(max_elapsed_time_millis=3000)
_CONNECT_TIMEOUT = 5.0  # s


class TemporalUnreachable(Exception):
    """Temporal did not answer; the message is one line for the operator."""


async def ensure_connected(client: Client) -> None:
    """Make the first connection of a lazy client.

    Raises:
        TemporalUnreachable: Nothing answers at the address.
    """
    try:
        await client.service_client.check_health()
    except RuntimeError as error:
        raise TemporalUnreachable("Temporal does not answer.") from error


async def connect(
    *, target: str | None = None, namespace: str | None = None, lazy: bool = False
) -> Client:
    """Connect, or with `lazy` on first use; what is given here wins over Temporal's settings.

    Raises:
        TemporalUnreachable: Nothing answers at the address.
    """
    # `.env` counts as everywhere else: below the environment.
    file = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    config: ClientConnectConfig = ClientConfig.load_client_connect_config(
        override_env_vars={**file, **os.environ}
    )
    config["target_host"] = target or config.get("target_host", DEFAULT_ADDRESS)
    if namespace is not None:
        config["namespace"] = namespace
    try:
        if not lazy:
            await _check_listening(config["target_host"])
        return await Client.connect(
            **config, data_converter=pydantic_data_converter, lazy=lazy, retry_config=_RETRY
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise TemporalUnreachable(
            f"Temporal does not answer at {config['target_host']}: start it, "
            "or set TEMPORAL_ADDRESS to where it is. `perdure dev` starts one of its own."
        ) from error


async def _check_listening(target: str) -> None:
    """Find out that nobody is there before the SDK's own threads run.

    A process that ends right after the SDK has failed to connect is aborted now and then while
    those threads still hold the interpreter.

    Raises:
        OSError: Nobody listens, or the address can't be resolved.
        ValueError: It is no `host:port`.
    """
    parts = urlsplit(f"//{target}")
    async with asyncio.timeout(_CONNECT_TIMEOUT):
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.close()
