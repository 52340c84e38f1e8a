"""Speech to text: voice activity, then the decoder, one utterance after the other."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import pocketsphinx

from providers.adapters.local.audio import SAMPLE_RATE

MAX_UTTERANCE_SECONDS = 20.0
"""Speech without a pause is cut here, so that the search stays bounded."""

SAMPLE_BYTES = 2

FRAMES_PER_SECOND = 100
"""Of the decoder; its word times are in such frames."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Speech between two pauses; the fields of `providers.types.Segment`."""

    start: float
    end: float
    text: str
    confidence: float

    def as_dict(self) -> dict[str, Any]:
        """Give the form that crosses the process boundary."""
        return asdict(self)


class Recogniser:
    """The US English model that the pocketsphinx wheel carries."""

    def __init__(self) -> None:
        """Load the model, about half a second.

        `lw` and `topn` did better than the defaults on synthetic speech.
        """
        self._decoder = pocketsphinx.Decoder(samprate=SAMPLE_RATE, lw=5.0, topn=8, loglevel="FATAL")
        self._untouched = self._decoder.get_cmn(False)

    def utterances(self, blocks: Iterable[bytes]) -> Iterator[Utterance | float]:
        """Recognise 16-bit samples; yield utterances and, in between, the seconds consumed."""
        # The decoder adapts to what it hears; what it heard of another recording must not count.
        self._decoder.set_cmn(self._untouched)
        self._decoder.reinit_feat()
        endpointer = pocketsphinx.Endpointer(sample_rate=SAMPLE_RATE)
        start, spoken = 0.0, 0
        for consumed, speech in _speech(endpointer, blocks):
            if speech:
                if not spoken:
                    self._decoder.start_utt()
                    start = max(start, endpointer.speech_start)
                self._decoder.process_raw(speech, no_search=False, full_utt=False)
                spoken += len(speech) // SAMPLE_BYTES
            seconds = spoken / SAMPLE_RATE
            if spoken and (not endpointer.in_speech or seconds >= MAX_UTTERANCE_SECONDS):
                yield from self._finish(start)
                start, spoken = start + seconds, 0
            yield consumed

    def _finish(self, start: float) -> Iterator[Utterance]:
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        words = [word for word in self._decoder.seg() if word.word[0] not in "<[+"]
        if hypothesis is None or not hypothesis.hypstr.strip() or not words:
            return
        yield Utterance(
            start=round(start + words[0].start_frame / FRAMES_PER_SECOND, 2),
            end=round(start + (words[-1].end_frame + 1) / FRAMES_PER_SECOND, 2),
            text=hypothesis.hypstr.strip(),
            confidence=round(min(1.0, sum(word.prob for word in words) / len(words)), 3),
        )


def _speech(
    endpointer: pocketsphinx.Endpointer, blocks: Iterable[bytes]
) -> Iterator[tuple[float, bytes | None]]:
    """Yield, frame by frame, the seconds consumed and the speech that this frame made certain."""
    size, frame_seconds = endpointer.frame_bytes, endpointer.frame_length
    pending, consumed = b"", 0.0
    for block in blocks:
        pending += block
        whole = len(pending) - len(pending) % size
        for offset in range(0, whole, size):
            consumed += frame_seconds
            yield consumed, endpointer.process(pending[offset : offset + size])
        pending = pending[whole:]
    if endpointer.in_speech:
        yield consumed, endpointer.end_stream(pending)
