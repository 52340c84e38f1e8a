"""Entry point of the processes that decode and recognise recordings."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from providers.adapters.local import audio
from providers.adapters.local.child_loop import serve
from providers.adapters.local.recognise import Recogniser, Utterance

recogniser = cache(Recogniser)
"""The model, loaded at the first use and then kept."""


def survey(params: dict[str, Any], _report: Callable[[float], None]) -> dict[str, Any]:
    """Say what the recording `path` holds."""
    found = audio.survey(Path(params["path"]))
    return {
        "seconds": found.seconds,
        "channels": found.channels,
        "same_signal": found.correlation >= audio.SAME_SIGNAL,
        "same_room": found.correlation >= audio.SAME_ROOM,
    }


def transcribe(params: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Recognise channel `channel` (null: the mean of all) of `path`, `seconds` long."""
    utterances = []
    blocks = audio.pcm_blocks(Path(params["path"]), params["channel"])
    for item in recogniser().utterances(blocks):
        if isinstance(item, Utterance):
            utterances.append(item.as_dict())
        else:
            report(item / params["seconds"])
    return {"utterances": utterances}


if __name__ == "__main__":
    serve({"survey": survey, "transcribe": transcribe})
