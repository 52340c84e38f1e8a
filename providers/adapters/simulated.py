"""A provider that is only simulated: it does what its script says, and keeps books of what it sold.

Scripts are in `providers.simulated_script`, answers in `…_answers`, the books in `…_books`.
A request is in the books before anything is done about it, and how it ended is there before the
caller hears of it. So the books are right whenever the process is killed.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from providers.adapters.base import ProviderAdapter, ProviderAnswer, ProviderCall, ReportProgress
from providers.error_table import STATUS_ROWS, ErrorRow, VendorFailure, translate
from providers.errors import (
    InvalidMedia,
    InvalidRequest,
    ProviderError,
    ProviderFault,
    QuotaExhausted,
    Refused,
    UnsupportedInput,
)
from providers.simulated_answers import make_up, measure, part_of, text_of
from providers.simulated_books import Arrival, Ending, Request, SimulatedBooks, Verdict
from providers.simulated_clerk import PATIENCE, Clerk
from providers.simulated_script import SOLD_BY, Act, Question, Rule, SimulatedProvider
from providers.types import RESPONSES, Offer, TokenPrices, Usage, Value

SETTING = "AI_SIMULATED_PROVIDERS"

ERRORS = (
    ErrorRow(QuotaExhausted, code="insufficient_quota"),
    ErrorRow(UnsupportedInput, code="unsupported_input"),
    ErrorRow(InvalidMedia, code="invalid_media"),
    *STATUS_ROWS,
)
_NO: Mapping[Act, VendorFailure] = {
    Act.RATE_LIMITED: VendorFailure(429, None, None, "Slow down."),
    Act.QUOTA_EXHAUSTED: VendorFailure(429, None, "insufficient_quota", "No credit is left."),
    Act.BAD_KEY: VendorFailure(401, None, None, "The key is wrong."),
    Act.UNSUPPORTED_INPUT: VendorFailure(400, None, "unsupported_input", "Not this input."),
    Act.INPUT_TOO_LARGE: VendorFailure(413, None, None, "That is too much."),
    Act.INVALID_REQUEST: VendorFailure(400, None, None, "The request is wrong."),
    Act.INVALID_MEDIA: VendorFailure(400, None, "invalid_media", "This is no recording."),
    Act.SERVER_ERROR: VendorFailure(500, None, None, "Something broke."),
}
_CAVEAT = "Simulated: its answers are made up, and nobody is paid."
_MILLION = 1_000_000

# s: how long the books may be busy before a cancelled call ends without a note.
_LAST_PATIENCE = 0.5


class SimulatedAdapter(ProviderAdapter):
    """One entry of the setting."""

    def __init__(self, provider: SimulatedProvider, books: SimulatedBooks) -> None:
        """Take the entry and the books, which other simulated providers may write as well."""
        self.name = provider.name
        self._provider = provider
        self._clerk = Clerk(books)

    def offers(self) -> Sequence[Offer]:
        """List the model once for each capability of the entry."""
        price, token_prices = _list_prices(self._provider)
        return [
            Offer(
                provider=self.name,
                capability=capability,
                model=self._provider.model,
                quality_tier=self._provider.quality_tier,
                cost_unit=self._provider.cost_unit,
                price=price,
                token_prices=token_prices,
                price_source=SETTING,
                caveat=_CAVEAT,
            )
            for capability in sorted(self._provider.capabilities)
        ]

    async def call(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        """Make one attempt; see `ProviderAdapter.call`."""
        attempt = _Attempt(self._provider, self._clerk, call)
        try:
            async with asyncio.timeout(call.timeout):
                return await attempt.run(report_progress)
        except TimeoutError:
            raise ProviderFault(
                f"{self.name} did not answer in time.", usage=attempt.told
            ) from None
        except ProviderError as error:
            error.usage = attempt.told
            raise
        except asyncio.CancelledError:
            call.report_usage(attempt.told)
            raise

    async def upper_bounds(self, call: ProviderCall) -> Sequence[Usage]:
        """Tell what each thing that the script may do sells; see `ProviderAdapter.upper_bounds`."""
        return await asyncio.to_thread(_Attempt(self._provider, self._clerk, call).sales)

    async def close(self) -> None:
        """Close the books."""
        await self._clerk.close()


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to become of an attempt; `response` is an error where the request is turned down."""

    rule: Rule
    response: Value | ProviderError
    usage: Usage


class _Attempt:
    """One attempt.

    Attributes:
        told: What it used, in the words of `ProviderError.usage`.
    """

    def __init__(self, provider: SimulatedProvider, clerk: Clerk, call: ProviderCall) -> None:
        self._provider, self._clerk, self._call = provider, clerk, call
        self._question = Question(call.call_id, call.capability, text_of(call.request))
        self._chunks_done = 0
        self.told: Usage | None = None

    def sales(self) -> Sequence[Usage]:
        """List what may be sold, in whole, by whichever rule; what is turned down sells nothing."""
        made_up = self._make_up()
        plans = [self._plan(rule, made_up) for rule in self._provider.rules_for(self._question)]
        sold = [plan.usage for plan in plans if not isinstance(plan.response, ProviderError)]
        return [Usage(**dict.fromkeys(SOLD_BY[self._provider.cost_unit], 0)), *sold]

    async def run(self, report_progress: ReportProgress) -> ProviderAnswer:
        made_up = await asyncio.to_thread(self._make_up)
        plan, request = await self._arrive(made_up)
        rule, response = plan.rule, plan.response
        if isinstance(response, ProviderError):
            await asyncio.sleep(rule.seconds)
            raise response
        try:
            await self._produce(rule, report_progress)
        except asyncio.CancelledError:
            await self._abort(plan, request)
            raise
        if rule.do is Act.CUT:
            await self._end(request, Ending.ABORTED, self._sold(plan), rule)
            raise ProviderFault(f"The connection to {self._provider.name} broke off.")
        await self._end(request, Ending.ANSWERED, plan.usage, rule)
        if rule.do is Act.REFUSED:
            raise Refused(f"{self._provider.name} declined to answer.")
        if rule.do is Act.BAD_JSON:
            raise ProviderFault(f"{self._provider.name}'s answer can't be read.")
        return ProviderAnswer(response, self.told or Usage())

    def _make_up(self) -> Value | ProviderError:
        offered = self._call.capability in self._provider.capabilities
        if not offered or self._call.model != self._provider.model:
            return InvalidRequest(f"{self._provider.name} does not offer that.")
        try:
            return make_up(self._call)
        except ProviderError as error:
            return error

    async def _arrive(self, made_up: Value | ProviderError) -> tuple[_Plan, Request]:
        """Note the request; a cancellation that comes meanwhile aborts it."""
        call, question = self._call, self._question
        plans: list[_Plan] = []

        def decide(attempt: int) -> Verdict:
            plan = self._plan(self._provider.rule_for(question, attempt), made_up)
            plans.append(plan)
            if isinstance(plan.response, ProviderError):
                is_scripted = not plan.rule.do.is_accepted
                return Verdict(plan.rule.do if is_scripted else plan.response.code)
            return Verdict(plan.rule.do, plan.usage, self._provider.charge(plan.usage))

        arrival = Arrival(
            provider=self._provider.name,
            call_id=call.call_id,
            capability=call.capability,
            model=call.model,
            prices=self._provider.prices,
        )
        request, cancellation = await self._clerk.take(arrival, decide)
        if cancellation is not None:
            if request.sale is not None:
                await self._abort(plans[-1], request)
            raise cancellation
        return plans[-1], request

    def _plan(self, rule: Rule, made_up: Value | ProviderError) -> _Plan:
        if not rule.do.is_accepted:
            return _Plan(rule, self._turn_down(rule), Usage())
        response = made_up
        if rule.response is not None:
            response = RESPONSES[self._call.capability].model_validate(rule.response)
        if isinstance(response, ProviderError):
            return _Plan(rule, response, Usage())
        unit = self._provider.cost_unit
        usage = rule.usage or measure(unit, self._call.request, response)
        return _Plan(rule, response, usage)

    def _turn_down(self, rule: Rule) -> ProviderError:
        name = self._provider.name
        if rule.do is Act.UNREACHABLE:
            return ProviderFault(f"The connection to {name} failed.")
        no = _NO[rule.do]
        headers = {key.lower(): value for key, value in rule.headers.items()}
        failure = VendorFailure(no.status, no.type, no.code, no.message, headers)
        return translate(name, ERRORS, failure, "")

    async def _produce(self, rule: Rule, report_progress: ReportProgress) -> None:
        """Bring the chunks that come; of an answer that hangs, no end."""
        for done in range(1, rule.arriving + 1):
            await asyncio.sleep(rule.seconds / rule.coming)
            self._chunks_done = done
            if rule.is_streamed:
                report_progress(done / rule.coming)
        if rule.do is Act.HANG:
            await asyncio.Event().wait()

    def _sold(self, plan: _Plan) -> Usage:
        """Return what has been sold so far."""
        if not plan.rule.is_streamed:
            return plan.usage
        return part_of(plan.usage, self._chunks_done, plan.rule.coming)

    async def _abort(self, plan: _Plan, request: Request) -> None:
        """Note that nobody listens any more.

        Where that can't be noted in time the books have the whole as sold, and so nobody is told
        less: the usage stays unknown.
        """
        self.told = Usage()
        try:
            await self._end(request, Ending.ABORTED, self._sold(plan), plan.rule, _LAST_PATIENCE)
        except ProviderFault:
            self.told = Usage()

    async def _end(
        self,
        request: Request,
        kind: Ending,
        usage: Usage,
        rule: Rule,
        patience: float = PATIENCE,
    ) -> None:
        """Note what was sold, then tell it."""
        cost = self._provider.charge(usage)
        self.told = Usage()
        cancellation = await self._clerk.end(request, kind, usage, cost, patience)
        self.told = usage if rule.tells_usage else Usage()
        if cancellation is not None:
            raise cancellation


def _list_prices(provider: SimulatedProvider) -> tuple[Decimal, tuple[TokenPrices, ...]]:
    """Return the prices in the words of an offer."""
    given = provider.input_usd_per_mtok
    if given is None:
        return provider.price or Decimal(0), ()
    prices = TokenPrices(
        input=given,
        cached_input=given,
        cache_write_input=given,
        input_audio=given,
        output=provider.output_usd_per_mtok,
    )
    return given / _MILLION, (prices,)
