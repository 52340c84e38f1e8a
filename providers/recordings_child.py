"""Entry point of the processes that decode recordings for providers elsewhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from providers.adapters.local import audio
from providers.adapters.local.child_loop import serve
from providers.errors import InputTooLarge

_TWO = 2
_FULL_SCALE = 32768


def survey(params: dict[str, Any], _report: Callable[[float], None]) -> dict[str, Any]:
    """Say what the recording `path` holds."""
    found = audio.survey(Path(params["path"]))
    two_sides = found.channels == _TWO and found.correlation < audio.SAME_ROOM
    return {
        "seconds": found.seconds,
        "channels": found.channels,
        "two_sides": two_sides,
        "unread": found.unread,
    }


def convert(params: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Write channel `channel` (null: the mean of all) of `path` to `target`, as FLAC, one channel.

    Gives up as soon as there are more than `max_bytes`.
    """
    target, peak, done = Path(params["target"]), 0, 0
    with soundfile.SoundFile(target, "w", audio.SAMPLE_RATE, 1, "PCM_16", format="FLAC") as file:
        for block in audio.pcm_blocks(Path(params["path"]), params["channel"]):
            samples = np.frombuffer(block, "<i2")
            peak = max(peak, int(np.abs(samples.astype(np.int32)).max(initial=0)))
            file.write(samples)
            _check_size(target, params["max_bytes"])
            done += len(samples)
            report(done / audio.SAMPLE_RATE / params["seconds"])
    return {"peak": peak / _FULL_SCALE, "size": _check_size(target, params["max_bytes"])}


def _check_size(target: Path, max_bytes: int) -> int:
    size = target.stat().st_size
    if size > max_bytes:
        raise InputTooLarge(f"The recording has more than {max_bytes:,} bytes, also as FLAC.")
    return size


if __name__ == "__main__":
    serve({"survey": survey, "convert": convert})
