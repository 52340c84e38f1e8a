import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress
from providers.adapters.compatible import ERRORS, CompatibleAdapter
from providers.builtin import build_adapters
from providers.compatible_server import BUILT_IN_NAMES, CompatibleServer
from providers.error_table import ErrorRow
from providers.errors import (
    InputTooLarge,
    InvalidRequest,
    ProviderError,
    ProviderFault,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    Refused,
    UnsupportedInput,
)
from providers.prices import cost_of
from providers.registry import CapabilityRegistry
from providers.types import (
    REQUESTS,
    Capability,
    CostUnit,
    GenerationResponse,
    Message,
    QualityTier,
    SentimentResponse,
    Usage,
)
from settings import Settings, SettingsError
from tests.described import assert_described
from tests.fake_vendor import FakeVendor, serve_fake_vendor

KEY = "gateway-key-0123456789"
MODEL = "qwen3-32b"
SPEC = Path(__file__).resolve().parents[4] / "shared" / "specs" / "openai.json"
USED = Usage(input_tokens=1000, cached_input_tokens=200, output_tokens=51)
USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 51,
    "total_tokens": 1051,
    "prompt_tokens_details": {"cached_tokens": 200},
}
PRICED = {"input_usd_per_mtok": "0.10", "output_usd_per_mtok": "0.50"}
SCHEMA = {"type": "object", "properties": {"mood": {"type": "string"}}, "required": ["mood"]}
DONE = b"data: [DONE]\n\n"

MakeAdapter = Callable[..., CompatibleAdapter]


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    if not SPEC.exists():
        pytest.skip("the vendors' API descriptions are not here")
    description: dict[str, Any] = json.loads(SPEC.read_text())
    schemas = description["components"]["schemas"]
    chunk = schemas["CreateChatCompletionStreamResponse"]
    # The description says `nullable`, which JSON Schema has no word for.
    reason = chunk["properties"]["choices"]["items"]["properties"]["finish_reason"]
    reason["type"], reason["enum"] = ["string", "null"], [*reason["enum"], None]
    return {"components": {"schemas": schemas}}


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with serve_fake_vendor() as vendor:
        yield vendor


@pytest.fixture
async def make(vendor: FakeVendor) -> AsyncIterator[MakeAdapter]:
    made: list[CompatibleAdapter] = []

    def make(key: str | None = None, **fields: Any) -> CompatibleAdapter:
        if key is not None:
            fields["api_key_env"] = "GATEWAY_KEY"
        server = server_at(f"{vendor.url}/v1", **fields)
        made.append(CompatibleAdapter(server, None if key is None else SecretStr(key)))
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()


def server_at(url: str = "http://127.0.0.1:9/v1", **fields: Any) -> CompatibleServer:
    entry = {"name": "vllm", "base_url": url, "model": MODEL, **fields}
    return CompatibleServer.model_validate(entry)


def chunk(
    content: str | None = None, finish: str | None = None, *, usage: Any = None, **delta: Any
) -> dict[str, Any]:
    """Write a chunk as OpenAI does."""
    body: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_795_000_000,
        "model": MODEL,
        "choices": [{"index": 0, "delta": {"content": content, **delta}, "finish_reason": finish}],
    }
    return body if usage is None else {**body, "usage": usage}


LAST = {**chunk(usage=USAGE), "choices": []}


def lines(*chunks: Any) -> list[bytes]:
    return [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]


def whole(text: str) -> list[bytes]:
    """Write a complete answer."""
    return [*lines(chunk("", role="assistant"), chunk(text), chunk(None, "stop"), LAST), DONE]


def error_body(kind: str | None = None, code: Any = None, words: str = "No.") -> Any:
    return {"error": {"message": words, "type": kind, "param": None, "code": code}}


async def ask(
    adapter: CompatibleAdapter,
    capability: Capability = Capability.LLM_GENERATION,
    report: ReportProgress = lambda _: None,
    **request: Any,
) -> ProviderAnswer:
    fields = request or {"prompt": "How are you?"}
    call = ProviderCall(
        call_id="call-1",
        capability=capability,
        model=MODEL,
        request=REQUESTS[capability].model_validate(fields),
        audio=None,
        timeout=20,
    )
    return await adapter.call(call, report)


async def test_answer_brings_text_usage_and_exact_cost(
    vendor: FakeVendor, make: MakeAdapter
) -> None:
    adapter = make(KEY, **PRICED)
    vendor.stream(*whole("Fine, thanks."))
    answer = await ask(adapter)
    assert answer.response == GenerationResponse(text="Fine, thanks.", finish_reason="stop")
    assert answer.usage == USED
    # 1000 x 0.10 (cached ones cost the same) + 51 x 0.50, USD per million.
    assert cost_of(adapter.offers()[0], answer.usage) == Decimal("0.0001255")
    assert vendor.asked[0].path == "/v1/chat/completions"
    assert vendor.asked[0].headers["authorization"] == f"bearer {KEY}"


async def test_progress_is_the_part_that_has_been_written(
    vendor: FakeVendor, make: MakeAdapter
) -> None:
    progress: list[float] = []
    vendor.stream(*lines(chunk("x" * 10), chunk("x" * 10), chunk(None, "stop")), DONE)
    await ask(make(), report=progress.append, prompt="Hi", max_output_tokens=10)
    assert progress == [0.25, 0.5]


@pytest.mark.parametrize("structured", [True, False])
@pytest.mark.parametrize(
    "fields",
    [
        {"prompt": "Hi"},
        {"prompt": "Hi", "system": "Be brief.", "max_output_tokens": 400},
        {"prompt": "Hi", "response_schema": SCHEMA},
        {"messages": [Message(role="system", content="a"), Message(role="user", content="b")]},
    ],
)
async def test_requests_follow_the_description_of_the_api(
    vendor: FakeVendor,
    make: MakeAdapter,
    spec: dict[str, Any],
    fields: dict[str, Any],
    *,
    structured: bool,
) -> None:
    vendor.stream(*whole('{"mood": "good"}'))
    await ask(make(structured_output=structured), **fields)
    reference = {"$ref": "#/components/schemas/CreateChatCompletionRequest"}
    assert_described(vendor.asked[0].body, reference, spec)


def test_description_refuses_an_unknown_parameter(spec: dict[str, Any]) -> None:
    reference = {"$ref": "#/components/schemas/CreateChatCompletionRequest"}
    turn = {"role": "user", "content": "Hi"}
    body = {"model": MODEL, "messages": [turn], "stream_options": {"usage": True}, "max_toks": 1}
    with pytest.raises(AssertionError, match=r"stream_options/usage.*max_toks"):
        assert_described(body, reference, spec)


@pytest.mark.parametrize("event", [chunk("a", role="assistant"), chunk(None, "length"), LAST])
def test_fake_answers_follow_the_description_of_the_api(
    spec: dict[str, Any], event: dict[str, Any]
) -> None:
    reference = {"$ref": "#/components/schemas/CreateChatCompletionStreamResponse"}
    assert_described(event, reference, spec)


async def test_what_the_system_says_is_one_message_before_all_others(
    vendor: FakeVendor, make: MakeAdapter
) -> None:
    vendor.stream(*whole("Yes."))
    user, late = Message(role="user", content="Hi"), Message(role="system", content="Be kind.")
    await ask(make(), system="Be brief.", messages=[user, late])
    assert vendor.asked[0].body["messages"] == [
        {"role": "system", "content": "Be brief.\n\nBe kind."},
        {"role": "user", "content": "Hi"},
    ]


@pytest.mark.parametrize("structured", [True, False])
async def test_schema_makes_data(
    vendor: FakeVendor, make: MakeAdapter, *, structured: bool
) -> None:
    text = '{"mood": "good"}' if structured else 'Sure:\n```json\n{"mood": "good"}\n```'
    vendor.stream(*whole(text))
    answer = await ask(make(structured_output=structured), prompt="Hi", response_schema=SCHEMA)
    assert isinstance(answer.response, GenerationResponse)
    assert answer.response.data == {"mood": "good"}
    body = vendor.asked[0].body
    assert ("response_format" in body) == structured
    assert (json.dumps(SCHEMA) in body["messages"][0]["content"]) != structured


async def test_data_that_breaks_the_schema_is_a_fault_that_was_paid_for(
    vendor: FakeVendor, make: MakeAdapter
) -> None:
    vendor.stream(*whole('{"mood": 1}'))
    with pytest.raises(ProviderFault) as caught:
        await ask(make(), prompt="Hi", response_schema=SCHEMA)
    assert caught.value.usage == USED


async def test_other_capabilities_are_asked_as_data(vendor: FakeVendor, make: MakeAdapter) -> None:
    vendor.stream(*whole('{"label": "positive", "score": 0.8}'))
    answer = await ask(make(), Capability.SENTIMENT_ANALYSIS, text="I am happy.")
    assert isinstance(answer.response, SentimentResponse)
    assert answer.response.label == "positive"
    assert vendor.asked[0].body["response_format"]["type"] == "json_schema"


async def test_long_answers_are_bounded_by_the_context(
    vendor: FakeVendor, make: MakeAdapter
) -> None:
    adapter = make(context_tokens=600)
    vendor.stream(*whole('{"label": "positive", "score": 0.8}'))
    await ask(adapter, Capability.SENTIMENT_ANALYSIS, text="I am happy.")
    assert vendor.asked[0].body["max_tokens"] <= 300
    assert adapter.offers()[0].limits.max_input_tokens == 600


async def test_answer_that_was_cut_off_says_so(vendor: FakeVendor, make: MakeAdapter) -> None:
    vendor.stream(*lines(chunk('{"mood'), chunk(None, "length"), LAST), DONE)
    answer = await ask(make(), prompt="Hi", response_schema=SCHEMA)
    assert answer.response == GenerationResponse(text='{"mood', finish_reason="length")
    assert answer.usage == USED


@pytest.mark.parametrize(
    "last", [chunk(None, "content_filter"), chunk(None, "stop", refusal="I can't.")]
)
async def test_refusal_is_refused_and_paid_for(
    vendor: FakeVendor, make: MakeAdapter, last: Any
) -> None:
    vendor.stream(*lines(last, LAST), DONE)
    with pytest.raises(Refused) as caught:
        await ask(make())
    assert caught.value.usage == USED


@pytest.mark.parametrize(
    ("prices", "unit", "cost"),
    [
        ({}, CostUnit.TOKEN, None),
        (PRICED, CostUnit.TOKEN, None),
        ({"input_usd_per_mtok": "0", "output_usd_per_mtok": 0}, CostUnit.FREE, Decimal(0)),
    ],
)
async def test_server_that_tells_no_usage_costs_an_unknown_amount_unless_it_is_free(
    vendor: FakeVendor,
    make: MakeAdapter,
    prices: dict[str, Any],
    unit: CostUnit,
    cost: Decimal | None,
) -> None:
    adapter = make(**prices)
    vendor.stream(*lines(chunk("Fine."), chunk(None, "stop")), DONE)
    answer = await ask(adapter)
    offer = adapter.offers()[0]
    assert answer.usage == Usage()
    assert (offer.cost_unit, cost_of(offer, answer.usage)) == (unit, cost)


async def test_a_price_that_is_not_given_is_unknown(make: MakeAdapter) -> None:
    offer = make().offers()[0]
    assert (offer.price, offer.price_source) == (
        None,
        f"AI_COMPATIBLE_PROVIDERS has no price of vllm/{MODEL}",
    )
    assert cost_of(offer, USED) is None


GROWING = {"prompt_tokens": 1000, "completion_tokens": 3, "total_tokens": 1003}


@pytest.mark.parametrize(
    ("chunks", "usage"),
    [
        pytest.param([chunk("a")], Usage(), id="none told"),
        pytest.param([chunk("a", usage=GROWING)], Usage(input_tokens=1000), id="told as it grows"),
        pytest.param([chunk("a"), error_body(words="Out of memory.")], Usage(), id="error"),
        pytest.param([error_body()], None, id="error before the first word"),
        pytest.param([chunk("a", "stop", usage={"prompt_tokens": "x"})], Usage(), id="unreadable"),
        pytest.param([chunk("a", "tool_calls"), LAST], USED, id="unknown ending"),
    ],
)
async def test_answer_that_broke_off_tells_what_may_be_billed(
    vendor: FakeVendor, make: MakeAdapter, chunks: list[Any], usage: Usage | None
) -> None:
    vendor.stream(*lines(*chunks), DONE)
    with pytest.raises(ProviderFault) as caught:
        await ask(make())
    assert caught.value.usage == usage


async def test_connection_is_used_again(vendor: FakeVendor, make: MakeAdapter) -> None:
    vendor.keeps_open, adapter = True, make()
    vendor.stream(*whole("Fine."))
    for _ in range(3):
        await ask(adapter)
    assert (vendor.connections, len(vendor.asked)) == (1, 3)
    await adapter.close()


async def test_connection_lost_in_the_middle_is_a_fault(
    vendor: FakeVendor, make: MakeAdapter
) -> None:
    vendor.stream(*lines(chunk("a")), ending="cut")
    with pytest.raises(ProviderFault):
        await ask(make())


async def test_nobody_there_is_a_fault_that_costs_nothing() -> None:
    adapter = CompatibleAdapter(server_at(), None)
    with pytest.raises(ProviderFault, match="The connection to vllm failed") as caught:
        await ask(adapter)
    assert caught.value.usage is None
    await adapter.close()


@pytest.mark.parametrize("row", ERRORS, ids=str)
async def test_every_row_of_the_error_table(
    vendor: FakeVendor, make: MakeAdapter, row: ErrorRow
) -> None:
    # A status that would be something else without the row.
    status = row.status or 599
    body = error_body(row.type, row.code)
    body["error"]["param"] = row.param
    vendor.answer(status, body)
    with pytest.raises(ProviderError) as caught:
        await ask(make())
    assert type(caught.value) is row.error


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        pytest.param(
            400,
            {"object": "error", "message": "No.", "type": "BadRequestError", "code": 400},
            InvalidRequest,
            id="vLLM before 0.10",
        ),
        pytest.param(404, error_body("NotFoundError", 404), ProviderUnavailable, id="vLLM model"),
        pytest.param(404, error_body("not_found_error"), ProviderUnavailable, id="Ollama model"),
        pytest.param(503, error_body("unavailable_error", 503), ProviderFault, id="llama.cpp"),
        pytest.param(401, error_body("authentication_error"), ProviderUnavailable, id="key"),
        pytest.param(402, error_body(), QuotaExhausted, id="gateway credit"),
        pytest.param(429, error_body(), RateLimited, id="gateway limit"),
        pytest.param(501, error_body("not_supported_error", 501), UnsupportedInput, id="not there"),
    ],
)
async def test_errors_of_known_servers(
    vendor: FakeVendor, make: MakeAdapter, status: int, body: Any, expected: type[ProviderError]
) -> None:
    vendor.answer(status, body)
    with pytest.raises(expected, match=f"^vllm answered {status}") as caught:
        await ask(make())
    assert caught.value.usage is None
    assert len(vendor.asked) == 1, "retries belong to Temporal"


async def test_error_in_the_stream_has_its_status_as_code(
    vendor: FakeVendor, make: MakeAdapter
) -> None:
    vendor.stream(*lines(error_body("BadRequestError", 400)))
    with pytest.raises(InvalidRequest, match=r"^vllm answered 400 BadRequestError: No\.$"):
        await ask(make())


@pytest.mark.parametrize(
    ("context", "expected"),
    [(None, InvalidRequest), (10_000, InvalidRequest), (1_050, InputTooLarge)],
)
async def test_prompt_that_may_be_longer_than_the_context_goes_on_to_another_model(
    vendor: FakeVendor, make: MakeAdapter, context: int | None, expected: type[ProviderError]
) -> None:
    vendor.answer(400, error_body("BadRequestError", 400))
    with pytest.raises(expected):
        await ask(make(context_tokens=context), prompt="x" * 100, max_output_tokens=1000)


async def test_key_is_masked(vendor: FakeVendor, make: MakeAdapter) -> None:
    vendor.answer(401, error_body(words=f"{KEY} is wrong"))
    with pytest.raises(ProviderUnavailable, match=r"401: \[key\] is wrong"):
        await ask(make(KEY))


async def test_what_is_for_openai_goes_to_nobody_else(
    vendor: FakeVendor, make: MakeAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(variable, "only-for-openai")
    headers = "Authorization: Bearer only-for-openai\nX-Gateway: only-for-openai"
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", headers)
    vendor.stream(*whole("Fine."))
    await ask(make(KEY))
    assert "only-for-openai" not in str(vendor.asked[0].headers)
    assert vendor.asked[0].headers["authorization"] == f"bearer {KEY}"


def test_offers_are_as_the_entry_says() -> None:
    fields: dict[str, Any] = {
        "capabilities": ["summarization", "llm_generation"],
        "quality_tier": "premium",
    }
    offers = CompatibleAdapter(server_at(**fields), None).offers()
    assert [(offer.provider, offer.capability, offer.quality_tier) for offer in offers] == [
        ("vllm", Capability.LLM_GENERATION, QualityTier.PREMIUM),
        ("vllm", Capability.SUMMARIZATION, QualityTier.PREMIUM),
    ]


TWO = [
    {"name": "ollama", "base_url": "http://localhost:11434/v1/", "model": "qwen3:8b"},
    {"name": "vllm", "base_url": "http://gpu:8000/v1", "model": "m", "api_key_env": "VLLM_KEY"},
]


def test_each_entry_of_the_settings_is_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VLLM_KEY", raising=False)
    registry = CapabilityRegistry(build_adapters(Settings(ai_compatible_providers=TWO)))
    assert registry.find("ollama", Capability.LLM_GENERATION, "qwen3:8b").available
    with pytest.raises(ProviderUnavailable, match=r"^Set VLLM_KEY to enable it"):
        registry.find("vllm", Capability.SUMMARIZATION, "m")


def test_worker_without_the_entry_does_not_know_the_provider() -> None:
    registry = CapabilityRegistry(build_adapters(Settings()))
    with pytest.raises(ProviderUnavailable, match="does not know ollama/qwen3:8b"):
        registry.find("ollama", Capability.LLM_GENERATION, "qwen3:8b")


@pytest.mark.parametrize("where", ["environment", "file"])
def test_key_is_read_from_the_variable_that_the_entry_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VLLM_KEY", raising=False)
    values = {"AI_COMPATIBLE_PROVIDERS": json.dumps(TWO), "VLLM_KEY": KEY}
    if where == "file":
        written = "".join(f"{name}={value}\n" for name, value in values.items())
        (tmp_path / ".env").write_text(written)
    else:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
    registry = CapabilityRegistry(build_adapters(Settings.load()))
    assert registry.find("vllm", Capability.LLM_GENERATION, "m").available


def test_key_that_can_not_be_sent_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_KEY", "two words")
    with pytest.raises(SettingsError, match=r"^VLLM_KEY: .* Example: VLLM_KEY=") as caught:
        build_adapters(Settings(ai_compatible_providers=TWO))
    assert "two words" not in str(caught.value)


ENTRY = {"name": "a", "base_url": "http://x/v1", "model": "m"}


@pytest.mark.parametrize(
    ("value", "place", "words"),
    [
        ("{", "", "must be a JSON list (EOF"),
        ("{}", "", "must be a JSON list."),
        ("[1]", "[0]", "must be a JSON object"),
        ([{"name": "a", "model": "m"}], "[0].base_url", "field required"),
        ([ENTRY, ENTRY], "", "the name 'a' is given twice"),
        ([{**ENTRY, "name": "openai"}], "[0].name", "'openai' is the name of a provider"),
        ([{**ENTRY, "name": "My Server"}], "[0].name", "string should match pattern"),
        ([ENTRY, {**ENTRY, "base_url": "http://x"}], "[1].base_url", "must begin with"),
        ([{**ENTRY, "api_key": "sk-secret"}], "[0].api_key", "no such key"),
        ([{**ENTRY, "capabilities": ["transcription"]}], "[0].capabilities", "such a server can"),
        ([{**ENTRY, "capabilities": ["speech"]}], "[0].capabilities[0]", "input should be"),
        ([{**ENTRY, "input_usd_per_mtok": "1"}], "[0]", "give both input_usd_per_mtok and"),
        ([{**ENTRY, **PRICED, "input_usd_per_mtok": -1}], "[0].input_usd_per_mtok", "input should"),
    ],
)
def test_wrong_entry_is_one_line_with_place_and_example(
    monkeypatch: pytest.MonkeyPatch, value: Any, place: str, words: str
) -> None:
    text = value if isinstance(value, str) else json.dumps(value)
    monkeypatch.setenv("AI_COMPATIBLE_PROVIDERS", text)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    line = str(caught.value)
    assert line.startswith(f"AI_COMPATIBLE_PROVIDERS{place}: {words}")
    assert "Example: AI_COMPATIBLE_PROVIDERS=[{" in line
    assert "\n" not in line
    assert "sk-secret" not in line


def test_example_of_the_settings_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    example = (Settings.model_fields["ai_compatible_providers"].examples or [""])[0]
    monkeypatch.setenv("AI_COMPATIBLE_PROVIDERS", example)
    assert [server.name for server in Settings.load().ai_compatible_providers] == ["vllm"]


def test_names_of_what_is_built_in_are_all_known() -> None:
    built_in = {adapter.name for adapter in build_adapters(Settings(ai_compatible_providers=()))}
    assert built_in == BUILT_IN_NAMES
