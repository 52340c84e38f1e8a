"""What a step's call asks for, whatever the capability."""

from collections.abc import Mapping
from typing import Any

from pipelines.estimating import speech, texts
from pipelines.estimating.speech import Recording
from pipelines.estimating.usages import Work
from providers.types import Capability

SPEECH = (Capability.TRANSCRIPTION, Capability.TRANSCRIPTION_DIARIZATION)


def work_of(
    capability: Capability,
    request: Mapping[str, Any],
    recordings: Mapping[str, Recording | None],
) -> Work:
    """Measure a foreseen request.

    Args:
        capability: What is asked for.
        request: As `foresight.foresee_request` gives it.
        recordings: What is known of recordings, by their addresses; null where one does not tell.
    """
    match capability:
        case Capability.TRANSCRIPTION:
            return speech.transcribe(request, recordings, by_speaker=False)
        case Capability.TRANSCRIPTION_DIARIZATION:
            return speech.transcribe(request, recordings, by_speaker=True)
        case Capability.LLM_GENERATION:
            return texts.generate(request)
        case Capability.PII_REDACTION:
            return texts.redact(request)
        case Capability.SENTIMENT_ANALYSIS:
            return texts.judge(request)
        case Capability.SUMMARIZATION:
            return texts.summarize(request)
