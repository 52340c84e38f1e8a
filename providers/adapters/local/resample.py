"""Change of sampling rate, block by block, with nothing but numpy.

A polyphase filter: a windowed-sinc low-pass, one set of taps for each of the possible positions
of an output sample between two input samples.
"""

from math import ceil, gcd

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

ZERO_CROSSINGS = 12
"""Half the length of the filter, in zero crossings of the sinc."""


class Resampler:
    """Turns blocks at one rate into blocks at another; the blocks may have any length."""

    def __init__(self, source: int, target: int) -> None:
        """Both rates in Hz."""
        divisor = gcd(source, target)
        self._up, self._down = target // divisor, source // divisor
        cutoff = min(1.0, target / source)
        self._half = ceil(ZERO_CROSSINGS / cutoff)
        self._bank = _filter_bank(self._up, self._half, cutoff)
        self._pending: Samples = np.zeros(self._half - 1, np.float32)
        self._next = 0  # of the output, in steps of 1/up input samples into `pending`

    def process(self, block: Samples) -> Samples:
        """Take some input; return the output that it completes."""
        if self._up == self._down:
            return block
        self._pending = np.concatenate([self._pending, block])
        width = 2 * self._half
        last = (len(self._pending) - width) * self._up
        if last < self._next:
            return np.zeros(0, np.float32)
        positions = np.arange(self._next, last + 1, self._down)
        bases = positions // self._up
        windows = np.lib.stride_tricks.sliding_window_view(self._pending, width)[bases]
        output = np.einsum("ij,ij->i", windows, self._bank[positions % self._up])
        following = int(positions[-1]) + self._down
        dropped = min(following // self._up, len(self._pending))
        self._pending = self._pending[dropped:]
        self._next = following - dropped * self._up
        return np.asarray(output, np.float32)

    def flush(self) -> Samples:
        """Return the output that still waited for input."""
        return self.process(np.zeros(self._half, np.float32))


def _filter_bank(phases: int, half: int, cutoff: float) -> Samples:
    taps = np.arange(2 * half) - (half - 1)
    distance = taps[None, :] - np.arange(phases)[:, None] / phases
    window = np.where(np.abs(distance) < half, np.cos(np.pi * distance / (2 * half)) ** 2, 0.0)
    bank = np.sinc(distance * cutoff) * window
    return np.asarray(bank / bank.sum(axis=1, keepdims=True), np.float32)
