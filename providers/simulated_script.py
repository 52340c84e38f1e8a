"""What the settings say about a provider that is only simulated: what it sells, and its script.

The script is a list of rules. The first one that fits an attempt decides what becomes of it; where
none fits, the provider answers at once. What a rule looks at is the call and the number of the
attempt in the provider's books, so that the same happens in every process, and after a restart.

A request is either turned down, and sells nothing, or accepted. An answer that comes in chunks is
sold as they come; any other is sold whole once it is accepted, as by a vendor who goes on working
whether or not anybody still listens.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from providers.types import RESPONSES, Capability, CostUnit, QualityTier, Usage, Value


class Act(StrEnum):
    """What becomes of an attempt."""

    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    BAD_KEY = "bad_key"
    UNSUPPORTED_INPUT = "unsupported_input"
    INPUT_TOO_LARGE = "input_too_large"
    INVALID_REQUEST = "invalid_request"
    INVALID_MEDIA = "invalid_media"
    SERVER_ERROR = "server_error"
    UNREACHABLE = "unreachable"
    ANSWER = "answer"
    REFUSED = "refused"
    BAD_JSON = "bad_json"
    CUT = "cut"
    HANG = "hang"

    @property
    def is_accepted(self) -> bool:
        """Whether the provider takes the work on, and sells it."""
        return self in _ACCEPTED


_ACCEPTED = frozenset({Act.ANSWER, Act.REFUSED, Act.BAD_JSON, Act.CUT, Act.HANG})
_STOPPING = frozenset({Act.CUT, Act.HANG})
_CHUNKS_OF_A_CUT_ANSWER = 2
_HASH_BITS = 64

_PICODOLLARS = 12
_MILLION = 1_000_000
_SECONDS_PER_MINUTE = 60
SOLD_BY: Mapping[CostUnit, tuple[str, ...]] = {
    CostUnit.FREE: (),
    CostUnit.TOKEN: ("input_tokens", "output_tokens"),
    CostUnit.MINUTE: ("audio_seconds",),
    CostUnit.CHARACTER: ("characters",),
}
"""The fields of a usage that are paid for."""

_PRICED_BY: Mapping[CostUnit, tuple[str, ...]] = {
    CostUnit.FREE: (),
    CostUnit.TOKEN: ("input_usd_per_mtok", "output_usd_per_mtok"),
    CostUnit.MINUTE: ("price",),
    CostUnit.CHARACTER: ("price",),
}


def _no_float(value: Any) -> Any:
    if isinstance(value, float):
        raise ValueError("write it in quotes, so that it is exact")  # noqa: TRY004 - for pydantic
    return value


_Exact = Annotated[
    Decimal, BeforeValidator(_no_float), Field(ge=0, max_digits=20, decimal_places=_PICODOLLARS)
]
_NonEmpty = Annotated[str, StringConstraints(min_length=1)]
_Attempts = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Question:
    """What rules look at.

    Attributes:
        text: Everything that the request says; of speech, the recording's address.
    """

    call_id: str
    capability: Capability
    text: str


class Rule(Value):
    """Some attempts, and what becomes of them.

    Attributes:
        attempts: Numbers of the attempts at the call, from 1, as the books count them.
        capabilities: What is asked for.
        step: The step's name: a part of the call's id between its slashes.
        call: A text that the call's id holds, such as the run's id.
        text: A text that the request holds.
        share: The share of attempts that the rule takes, drawn by a digest of call and attempt.
        do: What becomes of them.
        seconds: How long that takes.
        headers: Of the answer that turns the request down, such as `Retry-After`.
        chunks: In how many parts the answer comes, with progress; absent where it comes as one.
        after: How many of them come before the answer stops.
        usage: What is sold; absent means what the request amounts to.
        response: The answer; absent means one that is made up from the request.
        tells_usage: Whether the provider says what it sold.
    """

    attempts: _Attempts | None = None
    capabilities: Annotated[frozenset[Capability], Field(min_length=1)] | None = None
    step: _NonEmpty | None = None
    call: _NonEmpty | None = None
    text: _NonEmpty | None = None
    share: float = Field(default=1, gt=0, le=1)
    do: Act = Act.ANSWER
    seconds: float = Field(default=0, ge=0, le=86_400)
    headers: dict[str, str] = Field(default_factory=dict)
    chunks: int | None = Field(default=None, ge=1, le=10_000)
    after: int | None = Field(default=None, ge=0)
    usage: Usage | None = None
    response: dict[str, Any] | None = None
    tells_usage: bool = True

    def fits(self, question: Question, attempt: int, seed: str) -> bool:
        """Say whether the rule decides about an attempt; `seed` is what its lot is drawn with."""
        return (
            (self.attempts is None or attempt in self.attempts)
            and (self.capabilities is None or question.capability in self.capabilities)
            and (self.step is None or self.step in question.call_id.split("/"))
            and (self.call is None or self.call in question.call_id)
            and (self.text is None or self.text in question.text)
            and (self.share == 1 or _lot(seed, question.call_id, attempt) < self.share)
        )

    @property
    def arriving(self) -> int:
        """How many chunks come."""
        if self.after is not None:
            return self.after
        if self.do is Act.CUT:
            return self.coming // 2
        return 0 if self.do is Act.HANG else self.coming

    @property
    def coming(self) -> int:
        """How many chunks the whole answer has."""
        return self.chunks or (_CHUNKS_OF_A_CUT_ANSWER if self.do is Act.CUT else 1)

    @property
    def is_streamed(self) -> bool:
        """Whether the answer is sold as it comes."""
        return self.chunks is not None or self.do is Act.CUT

    @model_validator(mode="after")
    def _without_effect(self) -> Self:
        """Refuse what would do nothing."""
        has_status = not self.do.is_accepted and self.do is not Act.UNREACHABLE
        given = self.model_fields_set
        for name, takes_effect in (
            ("headers", has_status),
            ("chunks", self.do.is_accepted),
            ("usage", self.do.is_accepted),
            ("tells_usage", self.do.is_accepted),
            ("response", self.do is Act.ANSWER),
            ("after", self.do in _STOPPING),
        ):
            if name in given and not takes_effect:
                raise ValueError(f"'{name}' has no effect where 'do' is '{self.do}'")
        if self.after is not None and self.after >= (self.chunks or 0):
            raise ValueError("'after' needs 'chunks', and more of them")
        return self

    @field_validator("response")
    @classmethod
    def _response_of_the_capability(
        cls, value: dict[str, Any] | None, info: ValidationInfo
    ) -> dict[str, Any] | None:
        if value is None:
            return None
        for capability in info.data.get("capabilities") or ():
            try:
                RESPONSES[capability].model_validate(value)
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                where = ".".join(map(str, first["loc"])) or "it"
                raise ValueError(f"is none of {capability}: {where}: {first['msg']}") from None
        if not info.data.get("capabilities"):
            raise ValueError("needs 'capabilities', which say what it answers")
        return value


class SimulatedProvider(Value):
    """One entry of `AI_SIMULATED_PROVIDERS`.

    Attributes:
        name: The provider's name, as definitions and `GET /providers` have it.
        price: USD for a character or a minute.
        input_usd_per_mtok: USD for a million input tokens of any kind.
        output_usd_per_mtok: USD for a million output tokens.
        script: The first rule that fits decides; without one there is an answer at once.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    model: _NonEmpty = "simulated"
    capabilities: Annotated[frozenset[Capability], Field(min_length=1)] = frozenset(Capability)
    quality_tier: QualityTier = QualityTier.BASIC
    cost_unit: CostUnit = CostUnit.FREE
    price: _Exact | None = None
    input_usd_per_mtok: _Exact | None = None
    output_usd_per_mtok: _Exact | None = None
    script: tuple[Rule, ...] = ()

    @property
    def prices(self) -> dict[str, Decimal]:
        """What it asks, by the settings' own words."""
        return {name: getattr(self, name) for name in _PRICED_BY[self.cost_unit]}

    def rules_for(self, question: Question) -> Iterator[Rule]:
        """Yield every rule that may decide about an attempt at a call, whichever attempt it is."""
        for rule in self.script:
            always = rule.model_copy(update={"attempts": None, "share": 1})
            if always.fits(question, 1, ""):
                yield rule
                if rule.attempts is None and rule.share == 1:
                    return
        yield Rule()

    def rule_for(self, question: Question, attempt: int) -> Rule:
        """Find what becomes of an attempt."""
        for number, rule in enumerate(self.script):
            if rule.fits(question, attempt, f"{self.name}/{number}"):
                return rule
        return Rule()

    def charge(self, usage: Usage) -> Decimal:
        """Work out USD to 12 places, as an invoice does; not by the code that this is to check."""
        exact = round(self._charge(usage) * 10**_PICODOLLARS)
        return Decimal(f"{Decimal(exact).scaleb(-_PICODOLLARS).normalize():f}")

    def _charge(self, usage: Usage) -> Fraction:
        amounts = [Fraction(str(getattr(usage, name))) for name in SOLD_BY[self.cost_unit]]
        sums = (n * Fraction(p) for n, p in zip(amounts, self.prices.values(), strict=True))
        per = {CostUnit.TOKEN: _MILLION, CostUnit.MINUTE: _SECONDS_PER_MINUTE}
        return sum(sums, Fraction(0)) / per.get(self.cost_unit, 1)

    @model_validator(mode="after")
    def _prices_of_the_unit(self) -> Self:
        wanted = _PRICED_BY[self.cost_unit]
        for name in ("price", "input_usd_per_mtok", "output_usd_per_mtok"):
            if (getattr(self, name) is None) == (name in wanted):
                needs = " and ".join(wanted) or "no price"
                raise ValueError(f"what is sold by '{self.cost_unit}' needs {needs}")
        return self

    @model_validator(mode="after")
    def _usage_of_the_unit(self) -> Self:
        for number, rule in enumerate(self.script):
            for name in SOLD_BY[self.cost_unit]:
                if rule.usage is not None and getattr(rule.usage, name) is None:
                    raise ValueError(f"script[{number}].usage needs {name}, which is what is sold")
        return self


def _lot(seed: str, call_id: str, attempt: int) -> float:
    """Draw a number from 0 to 1 that is the same in every process."""
    digest = hashlib.sha256(f"{seed}/{call_id}/{attempt}".encode()).digest()
    return int.from_bytes(digest[: _HASH_BITS // 8]) / (1 << _HASH_BITS)
