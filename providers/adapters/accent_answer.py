"""What is read of an answer of Accent's `/v1/redact`, and how it is cut into segments again.

The service gets the segments as one text, joined by line ends, because what one segment asks for is
said in the next. Its entities have places in that text, while what it wrote in their stead may have
any length. But what stands between two entities stands in the answer as it was: these passages,
found one after the other, tell where each line end went. That is exact as long as nothing that the
service writes itself has a line end: then the first place where a passage with one can begin is the
right one.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from pydantic import Field, NonNegativeInt

from providers.errors import ProviderFault
from providers.http_vendor import AnswerPart
from providers.types import Entity

SEPARATOR = "\n"


class FoundEntity(AnswerPart):
    """Where personal data stood in the text that was sent, in code points."""

    type: str
    start: NonNegativeInt
    end: NonNegativeInt
    score: float = Field(ge=0, le=1)


class _Usage(AnswerPart):
    characters: NonNegativeInt


class Answer(AnswerPart):
    """The redacted text, and what it hides."""

    text: str
    entities: tuple[FoundEntity, ...]
    model: str
    request_id: str
    usage: _Usage

    def check(self, sent: str) -> None:
        """Make sure that the entities are places in the text.

        Raises:
            ProviderFault: One is not. Retried.
        """
        if any(not one.start < one.end <= len(sent) for one in self.entities):
            raise ProviderFault("Accent's answer names a place outside of the text.")


@dataclass(frozen=True, slots=True)
class _Passage:
    """A stretch that stands in the answer as it was: where it stood, and where it stands."""

    before: int
    after: int
    length: int


def cut(answer: Answer, texts: Sequence[str]) -> list[str]:
    """Return the redacted texts, as many as were sent.

    What was written for an entity that reaches over a boundary, and for those that touch it, goes
    to the first of its texts.

    Raises:
        ProviderFault: The answer's text and its entities don't fit together. Retried.
    """
    passages = list(_line_up(answer, SEPARATOR.join(texts)))
    starts = [passage.before for passage in passages]
    pieces, begin, position = [], 0, 0
    for text in texts[:-1]:
        position += len(text)
        number = bisect_right(starts, position) - 1
        passage, inside = passages[number], position - starts[number]
        kept = inside < passage.length
        # A line end that was not kept went with the entity before the next passage.
        end = passage.after + inside if kept else passages[number + 1].after
        pieces.append(answer.text[begin:end])
        begin = end + len(SEPARATOR) if kept else end
        position += len(SEPARATOR)
    return [*pieces, answer.text[begin:]]


def place(entities: Sequence[FoundEntity], texts: Sequence[str]) -> Iterator[Entity]:
    """Tell in which text each entity stands, and where; one may reach over several."""
    begins = [0, *accumulate(len(text) + len(SEPARATOR) for text in texts[:-1])]
    for one in sorted(entities, key=lambda entity: (entity.start, entity.end)):
        number = bisect_right(begins, one.start) - 1
        while number < len(texts) and begins[number] < one.end:
            start = max(one.start - begins[number], 0)
            end = min(one.end - begins[number], len(texts[number]))
            if start < end:
                yield Entity(type=one.type, start=start, end=end, score=one.score, segment=number)
            number += 1


def _line_up(answer: Answer, sent: str) -> Iterator[_Passage]:
    """Find each passage in the answer; the first begins it, the last ends it."""
    written, position = answer.text, 0
    kept = list(_between(answer.entities, len(sent)))
    for number, (start, end) in enumerate(kept, start=1):
        passage = sent[start:end]
        after = written.find(passage, position)
        if number == len(kept):
            after = len(written) - len(passage) if written.endswith(passage) else -1
        if after < position or (number == 1 and after > 0):
            raise ProviderFault("Accent's text does not fit its entities.")
        yield _Passage(start, after, len(passage))
        position = after + len(passage)


def _between(entities: Sequence[FoundEntity], length: int) -> Iterator[tuple[int, int]]:
    """Yield the stretches that no entity touches; only the first and the last may be empty."""
    position = 0
    for number, one in enumerate(sorted(entities, key=lambda entity: entity.start)):
        if number == 0 or one.start > position:
            yield position, one.start
        position = max(position, one.end)
    yield position, length
