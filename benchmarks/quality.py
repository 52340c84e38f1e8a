"""How good providers are at speech, personal data and sentiment: `python -m benchmarks.quality`.

The texts in `benchmarks/quality/` were written for this and used for nothing else: no recogniser,
pattern or prompt was adjusted to them. The sentences for speech are spoken by `flite` when the
command runs. Every provider that is available here is measured, those with a key for a few cents.

- Word error rate: the words that were put in, left out or replaced, over the words that were said.
- Recall of personal data: the values of which every letter and digit was hidden, over all values.
  Precision: the hidden stretches that touch a value, over all of them. What type a value was taken
  for is not judged.
- Accuracy of sentiment: the texts whose label is the one that was expected.

As a benchmark it measures the embedded provider only, against what is claimed of it.
"""

import argparse
import asyncio
import json
import re
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from benchmarks.result import CannotMeasure, Result
from providers.adapters.base import ProviderAdapter, ProviderCall
from providers.builtin import build_adapters
from providers.errors import ProviderError
from providers.prices import cost_of
from providers.types import (
    AudioFile,
    Capability,
    Offer,
    RedactionRequest,
    RedactionResponse,
    SentimentRequest,
    SentimentResponse,
    TranscriptionRequest,
    TranscriptionResponse,
    Value,
)
from settings import Settings, SettingsError

_TEXTS = Path(__file__).with_name("quality")
_VOICES = ("slt", "rms")
_TIMEOUT = 120.0
_NO_VOICE = "flite is not installed: apt-get install flite"

ResponseT = TypeVar("ResponseT", bound=Value)


@dataclass(slots=True)
class Asked:
    """An offer that is being measured.

    Attributes:
        cost: Of all calls, USD; None when a part is unknown.
        failed: Calls without an answer; each counts as an empty one.
    """

    adapter: ProviderAdapter
    offer: Offer
    cost: Decimal | None = field(default_factory=Decimal)
    failed: int = 0

    async def answer(
        self, kind: type[ResponseT], request: Value, audio: AudioFile | None = None
    ) -> ResponseT | None:
        """Ask once for a response of this kind; None when there is no answer."""
        call = ProviderCall(
            # One of its own for each: a vendor that knows the id would answer as it did before.
            call_id=f"quality-{uuid4()}",
            capability=self.offer.capability,
            model=self.offer.model,
            request=request,
            audio=audio,
            timeout=_TIMEOUT,
        )
        try:
            answer = await self.adapter.call(call, lambda _: None)
        except ProviderError as error:
            self.failed += 1
            if error.usage is not None:
                self._add(cost_of(self.offer, error.usage))
            return None
        self._add(cost_of(self.offer, answer.usage))
        if not isinstance(answer.response, kind):
            raise TypeError(f"{self.offer.provider} must answer with a {kind.__name__}.")
        return answer.response

    def _add(self, cost: Decimal | None) -> None:
        self.cost = None if self.cost is None or cost is None else self.cost + cost


async def measure_speech(asked: Asked) -> dict[str, float]:
    """Speak the sentences and compare what was heard."""
    wrong = said = 0
    with TemporaryDirectory() as folder:
        for number, text in enumerate(_load("speech")):
            path = Path(folder) / f"{number}.wav"
            await _speak(text, _VOICES[number % len(_VOICES)], path)
            audio = AudioFile(path=path, media_type="audio/wav", size=path.stat().st_size)
            request = TranscriptionRequest(audio_url=f"artifact://{number}", language="en-US")
            heard = await asked.answer(TranscriptionResponse, request, audio)
            wrong += word_errors(text, heard.text if heard else "")
            said += len(words(text))
    return {"word error rate": wrong / said}


async def measure_redaction(asked: Asked) -> dict[str, float]:
    """Hide personal data and compare what was hidden."""
    found = labelled = right = hidden = 0
    for example in _load("personal_data"):
        text = example["text"]
        values = list(places_of(example["values"], text))
        answer = await asked.answer(RedactionResponse, RedactionRequest(text=text))
        stretches = [(one.start, one.end) for one in answer.entities] if answer else []
        found += sum(is_hidden(text, value, stretches) for value in values)
        right += sum(any(touches(one, value) for value in values) for one in stretches)
        labelled, hidden = labelled + len(values), hidden + len(stretches)
    return {"PII recall": found / labelled, "PII precision": right / hidden if hidden else 0.0}


async def measure_sentiment(asked: Asked) -> dict[str, float]:
    """Judge the texts and compare the labels."""
    examples, right = _load("sentiment"), 0
    for example in examples:
        request = SentimentRequest(text=example["text"])
        answer = await asked.answer(SentimentResponse, request)
        right += answer is not None and answer.label == example["label"]
    return {"sentiment accuracy": right / len(examples)}


MEASURES: Mapping[Capability, Callable[[Asked], Awaitable[dict[str, float]]]] = {
    Capability.TRANSCRIPTION: measure_speech,
    Capability.PII_REDACTION: measure_redaction,
    Capability.SENTIMENT_ANALYSIS: measure_sentiment,
}


def words(text: str) -> list[str]:
    """Split into words in lower case, without punctuation."""
    return re.findall(r"[\w']+", text.lower())


def word_errors(said: str, heard: str) -> int:
    """Count the words that were put in, left out or replaced (Levenshtein's distance)."""
    reference, hypothesis = words(said), words(heard)
    distances = list(range(len(hypothesis) + 1))
    for row, word in enumerate(reference, start=1):
        diagonal, distances[0] = distances[0], row
        for column, other in enumerate(hypothesis, start=1):
            replaced = diagonal + (word != other)
            diagonal = distances[column]
            distances[column] = min(replaced, diagonal + 1, distances[column - 1] + 1)
    return distances[-1]


def places_of(values: Sequence[str], text: str) -> Iterator[tuple[int, int]]:
    """Find where the labelled values stand."""
    for value in values:
        for match in re.finditer(re.escape(value), text):
            yield match.start(), match.end()


def is_hidden(text: str, value: tuple[int, int], stretches: Sequence[tuple[int, int]]) -> bool:
    """Say whether every letter and digit of the value lies in a hidden stretch."""
    return all(
        any(start <= place < end for start, end in stretches)
        for place in range(*value)
        if text[place].isalnum()
    )


def touches(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Say whether two stretches overlap."""
    return one[0] < other[1] and other[0] < one[1]


async def measure(
    adapters: Sequence[ProviderAdapter], provider: str | None = None
) -> list[tuple[Asked, dict[str, float]]]:
    """Measure every available offer, or those of one provider; speech needs somebody to speak."""
    results = []
    for capability, measured in MEASURES.items():
        if capability is Capability.TRANSCRIPTION and not _can_speak():
            continue
        for adapter in adapters:
            for offer in adapter.offers():
                wanted = offer.capability == capability and provider in (None, offer.provider)
                if wanted and offer.available:
                    asked = Asked(adapter, offer)
                    results.append((asked, await measured(asked)))
    return results


def _load(name: str) -> Any:
    return json.loads((_TEXTS / f"{name}.json").read_text(encoding="utf-8"))


def _can_speak() -> bool:
    return shutil.which("flite") is not None


async def _speak(text: str, voice: str, path: Path) -> None:
    command = ("flite", "-voice", voice, "-t", text, "-o", str(path))
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait() != 0:
        raise RuntimeError(f"flite could not speak: {text}")


# Of the embedded provider, in per cent: the figures of docs/providers.md in steps of five.
_CLAIMS = {
    "word error rate": partial(Result.at_most, goal=15),
    "PII recall": partial(Result.at_least, goal=60),
    "PII precision": partial(Result.at_least, goal=95),
    "sentiment accuracy": partial(Result.at_least, goal=70),
}


def benchmark() -> Iterator[Result]:
    """Compare the embedded provider with what is claimed of it.

    Raises:
        CannotMeasure: There is nobody to speak, or no embedded provider.
    """
    if not _can_speak():
        raise CannotMeasure(_NO_VOICE)
    results = asyncio.run(_measured("local"))
    if not results:
        raise CannotMeasure("no embedded provider: pip install 'perdure[local]'")
    for asked, figures in results:
        for measured, figure in figures.items():
            name = f"{measured}, {asked.offer.provider}/{asked.offer.model}"
            yield _CLAIMS[measured](name, measured=figure * 100, unit="%")


def _table(results: Sequence[tuple[Asked, dict[str, float]]]) -> Table:
    table = Table("measure", "provider", "figure", "failed", "USD", box=None, pad_edge=False)
    for asked, figures in results:
        cost = "unknown" if asked.cost is None else f"{asked.cost.normalize():f}"
        name = f"{asked.offer.provider}/{asked.offer.model}"
        for measured, figure in figures.items():
            table.add_row(measured, name, f"{figure:.1%}", str(asked.failed), cost)
    return table


async def _measured(provider: str | None) -> list[tuple[Asked, dict[str, float]]]:
    adapters = build_adapters(Settings.load())
    try:
        return await measure(adapters, provider)
    finally:
        for adapter in adapters:
            await adapter.close()


def _run(provider: str | None) -> None:
    results = asyncio.run(_measured(provider))
    if not results:
        sys.exit(f"error: {provider or 'no provider'} has nothing to measure that is available")
    Console().print(_table(results))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--provider", help="only this one; default: all that are available")
    arguments = parser.parse_args()
    if not _can_speak():
        Console(stderr=True).print(f"speech is not measured: {_NO_VOICE}")
    try:
        _run(arguments.provider)
    except SettingsError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
