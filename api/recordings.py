"""Recordings that an input names: whether they can be read."""

from collections.abc import Mapping
from typing import Any

from api.context import Services
from api.problems import invalid
from artifacts.errors import ArtifactError
from artifacts.media import AUDIO_TYPES
from artifacts.store import SCHEME
from pipelines.errors import Mistake
from pipelines.estimating.work import SPEECH
from pipelines.model import PipelineDefinition

_AUDIO_FIELD = "audio_url"


async def check_recordings(
    services: Services, tenant: str, definition: PipelineDefinition, input_data: Mapping[str, Any]
) -> None:
    """Refuse what can be seen to be no recording.

    Raises:
        Problem: 422 with each of them.
    """
    mistakes = []
    for name in _names(definition):
        reason = await _why_no_recording(services, tenant, input_data.get(name))
        if reason is not None:
            mistakes.append(Mistake(f"/input_data/{name}", reason))
    if mistakes:
        raise invalid(mistakes)


def _names(definition: PipelineDefinition) -> list[str]:
    """Name the keys of the input that a step reads a recording from."""
    made = {step.output_key for step in definition.steps}
    read = {
        step.input if isinstance(step.input, str) else _AUDIO_FIELD
        for step in definition.steps
        if step.capability in SPEECH
    }
    return sorted(read - made)


async def _why_no_recording(services: Services, tenant: str, url: Any) -> str | None:
    if not isinstance(url, str):
        return None
    try:
        if not url.startswith(SCHEME):
            services.fetcher.check_url(url)
            return None
        artifact = await services.artifacts.get(tenant, url.removeprefix(SCHEME))
    except ArtifactError as error:
        return error.message
    if artifact.media_type in AUDIO_TYPES:
        return None
    return (
        "The upload is not a recording that can be read: "
        "expected WAV, FLAC, MP3, Ogg, Opus, M4A, WebM or AIFF."
    )
