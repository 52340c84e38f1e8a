"""Synthetic phone calls with a known script, spoken by the `flite` binary.

`synthesise_call` speaks each turn with its speaker's voice, puts the first speaker on channel 0
and the second on channel 1, one turn after the other, and returns where each turn stands.
`word_error_rate` says how far a transcript is from a script.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.quality import word_errors, words

SAMPLE_RATE = 16_000
PAUSE_SECONDS = 0.35
VOICES = ("rms", "slt")
"""Voices of flite at 16 kHz, the first speaker's and the second's."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance of a call; times in seconds from the beginning."""

    speaker: str
    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Call:
    """A synthesised call: the file, its turns, and the speakers by channel."""

    path: Path
    turns: tuple[Turn, ...]
    speakers: tuple[str, ...]
    duration: float

    def script(self, speaker: str | None = None) -> str:
        """What was said, by everyone or by one speaker."""
        return " ".join(turn.text for turn in self.turns if speaker in (None, turn.speaker))


def synthesise_call(
    path: Path,
    turns: Sequence[tuple[str, str]],
    *,
    voices: tuple[str, str] = VOICES,
    pause: float = PAUSE_SECONDS,
) -> Call:
    """Speak `(speaker, text)` turns of at most two speakers into a two-channel file.

    Skips the calling test where the `flite` binary is absent. The format follows the suffix.
    """
    binary = flite_binary()
    speakers = tuple(dict.fromkeys(speaker for speaker, _ in turns))
    if not 1 <= len(speakers) <= len(voices):
        msg = f"a call has one or two speakers, not {len(speakers)}"
        raise ValueError(msg)
    silence = np.zeros(int(pause * SAMPLE_RATE), np.int16)
    channels: list[list[np.ndarray]] = [[silence], [silence]]
    position = len(silence)
    spoken: list[Turn] = []
    for speaker, text in turns:
        channel = speakers.index(speaker)
        samples = _speak(binary, voices[channel], text)
        channels[channel] += [samples, silence]
        channels[1 - channel].append(np.zeros(len(samples) + len(silence), np.int16))
        end = position + len(samples)
        spoken.append(Turn(speaker, text, position / SAMPLE_RATE, end / SAMPLE_RATE))
        position = end + len(silence)
    audio = np.stack([np.concatenate(channel) for channel in channels], axis=1)
    soundfile.write(path, audio, SAMPLE_RATE)
    return Call(path, tuple(spoken), speakers, position / SAMPLE_RATE)


def flite_binary() -> str:
    """Return where `flite` is, or skip the test with what to install."""
    binary = shutil.which("flite")
    if binary is None:
        pytest.skip("the flite binary is not installed: apt-get install flite")
    return binary


def word_error_rate(expected: str, heard: str) -> float:
    """Word-level Levenshtein distance over the number of expected words."""
    return word_errors(expected, heard) / max(1, len(words(expected)))


def _speak(binary: str, voice: str, text: str) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "turn.wav"
        command = [binary, "-voice", voice, "-t", text, "-o", str(file)]
        subprocess.run(command, check=True, timeout=60, capture_output=True)
        samples, rate = soundfile.read(file, dtype="int16")
    if rate != SAMPLE_RATE:
        msg = f"voice {voice} speaks at {rate} Hz, not at {SAMPLE_RATE}"
        raise ValueError(msg)
    return np.asarray(samples, np.int16)
