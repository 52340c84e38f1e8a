import re
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from providers.adapters.base import ProviderCall
from providers.adapters.local import LocalAdapter
from providers.adapters.local.redaction import KNOWN_TYPES, redact
from providers.adapters.local.sentiment import sentiment
from providers.adapters.local.summary import split_sentences, summarize
from providers.errors import InputTooLarge, InvalidRequest, ProviderUnavailable
from providers.types import (
    Capability,
    RedactionRequest,
    RedactionResponse,
    Segment,
    SentimentRequest,
    SentimentResponse,
    SummarizationRequest,
    Value,
)

MODELS = {
    Capability.PII_REDACTION: "presidio-patterns",
    Capability.SENTIMENT_ANALYSIS: "vader",
    Capability.SUMMARIZATION: "lexrank",
}

NETWORK_ALARM = """
import os, sys

def refuse(event, _arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        open({path!r}, "w").close()
        os._exit(9)

sys.addaudithook(refuse)
"""


def ignore_progress(_fraction: float) -> None:
    pass


def hide(text: str, mode: str = "mask", entities: list[str] | None = None) -> str:
    answer = redact({"text": text, "mode": mode, "entities": entities}, ignore_progress)
    redacted: str = answer["text"]
    return redacted


def segments(*turns: tuple[str | None, str]) -> tuple[Segment, ...]:
    return tuple(
        Segment(start=i, end=i + 1, speaker=speaker, text=text, confidence=0.5)
        for i, (speaker, text) in enumerate(turns)
    )


def hide_turns(*turns: tuple[str | None, str]) -> list[str]:
    request = RedactionRequest(segments=segments(*turns)).model_dump(mode="json")
    return [segment["text"] for segment in redact(request, ignore_progress)["segments"]]


@pytest.fixture
async def adapter() -> AsyncIterator[LocalAdapter]:
    adapter = LocalAdapter()
    yield adapter
    await adapter.close()


def ask(capability: Capability, request: Value) -> ProviderCall:
    return ProviderCall("call-1", capability, MODELS[capability], request, None, 60)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "my phone number is four one five five five five two six seven one",
            "my phone number is [PHONE_NUMBER]",
        ),
        ("seven one nine two two oh four eight", "[ACCOUNT_NUMBER]"),
        ("it is six one nine five five five zero one four eight", "it is [PHONE_NUMBER]"),
        ("call me on double five three nine zero four oh two one", "call me on [PHONE_NUMBER]"),
        ("reach me at triple five nineteen oh six", "reach me at [PHONE_NUMBER]"),
        (
            "the last four digits are eight one seven three",
            "the last four digits are [CREDIT_CARD]",
        ),
        ("the last four digits are forty nine six", "the last four digits are [CREDIT_CARD]"),
        ("the card ends in five zero six two", "the card ends in [CREDIT_CARD]"),
        (
            "nine oh two one are the last digits of my card",
            "[CREDIT_CARD] are the last digits of my card",
        ),
        (
            "my account number is seven three one nine eight",
            "my account number is [ACCOUNT_NUMBER]",
        ),
        ("my order number is seven seven four one", "my order number is [ACCOUNT_NUMBER]"),
        ("Order number 48213 is late.", "Order number [ACCOUNT_NUMBER] is late."),
        ("account seven three one nine two weeks ago", "account [ACCOUNT_NUMBER] weeks ago"),
        (
            "my social security number is one two three four five six seven eight nine",
            "my social security number is [US_SSN]",
        ),
        ("SSN 219-09-9999", "SSN [US_SSN]"),
        ("Card 4111 1111 1111 1111, thanks", "Card [CREDIT_CARD], thanks"),
        ("ring (415) 555-2671 today", "ring [PHONE_NUMBER] today"),
        ("IBAN DE89370400440532013000", "IBAN [IBAN_CODE]"),
        ("from 192.168.10.254", "from [IP_ADDRESS]"),
        ("see https://example.com/a?b=1 there", "see [URL] there"),
        ("write to jane.doe@example.com", "write to [EMAIL_ADDRESS]"),
        ("write to jane at example dot com please", "write to [EMAIL_ADDRESS] please"),
        (
            "my email is jane dot doe at mail dot example dot co dot uk",
            "my email is [EMAIL_ADDRESS]",
        ),
        ("my email is jane that example dot com", "my email is [EMAIL_ADDRESS]"),
        ("write to me that susan better example dot com", "write to me [EMAIL_ADDRESS]"),
        ("my name is jane miller and i am angry", "my name is [PERSON] and i am angry"),
        ("My name is Jane Van Doe.", "My name is [PERSON]."),
        ("this is john smith calling about it", "this is [PERSON] calling about it"),
        ("hello this is anna speaking", "hello this is [PERSON] speaking"),
        ("i am martin calling from the office", "i am [PERSON] calling from the office"),
        ("thank you missus miller", "thank you missus [PERSON]"),
        ("I live at 12 Elm Street, Springfield, IL 62704.", "I live at [ADDRESS]."),
        ("send it to twenty seven maple street", "send it to [ADDRESS]"),
        ("my address is four oak drive please hurry", "my address is [ADDRESS] please hurry"),
        ("I was born on March 14, 1985.", "I was born on [DATE_OF_BIRTH]."),
        ("date of birth march fourteenth nineteen eighty five", "date of birth [DATE_OF_BIRTH]"),
        ("DOB: 03/14/1985", "DOB: [DATE_OF_BIRTH]"),
    ],
)
def test_personal_data_is_hidden(text: str, expected: str) -> None:
    assert hide(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "my phone number is for one five five five five too six seven won",
        "my phone number is four one for five five five to six seven one",
        "my phone number is four won five five find five two six seven one",
        "my phone number is four one five if i've five two six seven one",
        "my phone number is oh one five five ate five two sex seven one",
        "the last four digits are for two nine six",
        "the last four digits are four to nine six",
        "the last four digits are four two night six",
        "the last four digits are four two nine sex",
        "my card ends in won too nine ate",
    ],
)
def test_a_number_is_hidden_whole_when_words_of_it_are_misheard(text: str) -> None:
    announcement = re.match("my phone number is|the last four digits are|my card ends in", text)
    assert announcement is not None
    kind = "PHONE_NUMBER" if "phone" in text else "CREDIT_CARD"
    assert hide(text) == f"{announcement.group()} [{kind}]"


@pytest.mark.parametrize(
    "text",
    [
        "i can give you a full refund of forty nine dollars",
        "i have been waiting for three weeks",
        "your refund will arrive in five business days",
        "i see two payments of thirty five dollars in the last three months",
        "please tell me the last four digits of your credit card",
        "my card was charged two hundred and forty nine dollars",
        "my account was charged forty nine dollars two times",
        "i called two or three times and waited for forty five minutes",
        "from nineteen eighty five to nineteen ninety nine",
        "i bought my phone in nineteen ninety nine",
        "there are four hundred and fifty people for you to call",
        "you are our number one customer",
        "A number of people called between 2019 and 2020.",
        "In 2024 the revenue was $1,234,567.89 or 12.5%.",
        "The meeting is on 2024-03-01 at 12:30.",
        "one two three",
        "one of the two is too late for me",
        "this is terrible and i want my money back",
        "this is great from my point of view",
        "i am calling about my order",
        "i am very sorry about that",
        "my name is on the card",
        "look at amazon dot com",
        "it is a one way street in the old town",
        "it is a twenty minutes drive",
        "the package was sent to the wrong address and we will send you a new one",
        "i paid on the third of may",
    ],
)
def test_ordinary_words_and_amounts_stay(text: str) -> None:
    assert hide(text) == text


def test_a_number_is_hidden_where_the_question_stands_in_the_line_before() -> None:
    text = "Agent: what are the last four digits?\nCustomer: four two nine six"
    assert hide(text) == "Agent: what are the last four digits?\nCustomer: [CREDIT_CARD]"


def test_the_answer_of_another_speaker_is_hidden() -> None:
    assert hide_turns(
        ("agent", "please tell me the last four digits of your card"),
        ("customer", "sure for two nine ate"),
    )[1] == "sure [CREDIT_CARD]"  # fmt: skip


def test_a_number_is_hidden_over_several_segments_with_interruptions() -> None:
    assert hide_turns(
        ("agent", "what is your phone number"),
        ("customer", "it is four one five"),
        ("agent", "uh huh"),
        ("customer", "five five five"),
        ("agent", "okay"),
        ("customer", "two six seven one"),
    ) == [
        "what is your phone number",
        "it is [PHONE_NUMBER]",
        "uh huh",
        "[PHONE_NUMBER]",
        "okay",
        "[PHONE_NUMBER]",
    ]


def test_seven_digits_are_hidden_over_two_segments_of_nobody_known() -> None:
    assert hide_turns((None, "four one five five"), (None, "two six seven")) == [
        "[PHONE_NUMBER]",
        "[PHONE_NUMBER]",
    ]


def test_what_was_hidden_once_is_hidden_when_it_is_said_again() -> None:
    redacted = hide_turns(
        ("customer", "my account number is seven three one nine eight two"),
        ("agent", "one moment i will look that up for you in the system"),
        ("agent", "it takes a while today as we have many callers on the line"),
        ("agent", "so here it is"),
        ("agent", "i have seven three one nine eight two here"),
    )
    assert redacted[-1] == "i have [ACCOUNT_NUMBER] here"


def test_a_name_is_hidden_as_an_answer_and_when_it_is_said_again() -> None:
    assert hide_turns(
        ("agent", "may i have your name please"),
        ("customer", "sure it is jane miller"),
        ("agent", "thank you jane what can i do for you"),
    )[1:] == ["sure it is [PERSON]", "thank you [PERSON] what can i do for you"]


def test_a_date_of_birth_is_hidden_as_an_answer_with_its_month_misheard() -> None:
    assert hide_turns(
        ("agent", "and your date of birth please"),
        ("customer", "marge the fourth nineteen eighty two"),
    )[1] == "[DATE_OF_BIRTH]"  # fmt: skip


def test_entities_point_into_their_segments_in_code_points() -> None:
    turns = segments(("a", "😀 hello"), ("b", "😀 my name is jane miller"))
    request = RedactionRequest(segments=turns).model_dump(mode="json")
    (entity,) = redact(request, ignore_progress)["entities"]
    assert (entity["type"], entity["segment"]) == ("PERSON", 1)
    assert turns[1].text[entity["start"] : entity["end"]] == "jane miller"


def test_entities_point_into_the_text_in_code_points() -> None:
    text = "😀 é\nwrite to jane@example.com"
    answer = redact({"text": text, "mode": "mask"}, ignore_progress)
    (entity,) = answer["entities"]
    assert text[entity["start"] : entity["end"]] == "jane@example.com"
    assert entity["segment"] is None


def test_remove_leaves_nothing_in_its_place() -> None:
    assert hide("write to jane@example.com!", mode="remove") == "write to !"


def test_hash_is_equal_within_a_call_and_different_in_the_next() -> None:
    text = "a@example.com b@example.com a@example.com"
    first, second, third = hide(text, mode="hash").split()
    assert first == third != second
    assert first.startswith("[EMAIL_ADDRESS:")
    assert len(first) == len("[EMAIL_ADDRESS:12345678]")
    assert hide(text, mode="hash").split()[0] != first


def test_only_the_wanted_entity_types_are_hidden() -> None:
    text = "my name is jane miller, sales@example.com"
    assert hide(text, entities=["PERSON"]) == "my name is [PERSON], sales@example.com"
    assert hide(text, entities=[]) == text


def test_overlapping_matches_hide_all_of_the_text_once() -> None:
    assert hide("jane@www.example.com/path") in {"[EMAIL_ADDRESS]", "[EMAIL_ADDRESS]/path"}
    assert hide("https://example.com/4155552671") == "[URL]"


def test_a_match_across_the_pieces_of_a_long_text_is_hidden() -> None:
    for padding in range(3_985, 4_005):
        text = f"{'word ' * (padding // 5)}{'x' * (padding % 5)} jane.doe@example.com and more"
        assert "example" not in hide(text)


def test_a_megabyte_in_one_line_is_redacted_with_progress() -> None:
    fractions: list[float] = []
    sentence = "my phone number is four one five five five five two six seven one okay. "
    count = 1_000_000 // len(sentence)
    answer = redact({"text": sentence * count, "mode": "mask"}, fractions.append)
    assert answer["text"] == "my phone number is [PHONE_NUMBER] okay. " * count
    assert len(fractions) > 100
    assert fractions == sorted(fractions)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("i love it, that is great", "positive"),
        ("this is terrible, i hate it", "negative"),
        ("the parcel is on the table", "neutral"),
        ("the food was great but the service was terrible", "mixed"),
        ("", "neutral"),
    ],
)
def test_a_text_feels_like_its_words(text: str, label: str) -> None:
    verdict = sentiment({"text": text}, ignore_progress)
    assert verdict["label"] == label
    assert verdict["score"] * {"positive": 1, "negative": -1}.get(label, 0) >= 0


def test_one_kind_word_does_not_make_an_angry_call_mixed() -> None:
    text = "this is terrible\ni hate it\nthe worst service\nan awful disaster\nthanks a lot great"
    assert sentiment({"text": text}, ignore_progress)["label"] == "negative"


@pytest.mark.parametrize("text", ["", " \n ", "\n"])
def test_no_text_gives_an_empty_summary(text: str) -> None:
    assert summarize({"text": text}, ignore_progress) == {"text": ""}


def test_a_summary_keeps_the_order_and_takes_the_lines_that_others_are_like() -> None:
    lines = [
        "the weather in the mountains is fine",
        "the parcel was sent to the wrong address",
        "yes",
        "please send the parcel to the right address",
        "nobody told me where the bus stops",
    ]
    summary = summarize({"text": "\n".join(lines), "max_sentences": 2}, ignore_progress)["text"]
    chosen = summary.split("\n")
    assert chosen == [lines[1], lines[3]]


def test_a_summary_of_prose_has_three_sentences_unless_told() -> None:
    text = "One cat sat here. Two cats sat there. A dog sat too. The cats sat on mats. Cats sit."
    summary = summarize({"text": text}, ignore_progress)["text"]
    assert len(split_sentences(summary)) == 3
    assert "\n" not in summary


def test_thousands_of_sentences_are_summarised_in_blocks_with_progress() -> None:
    fractions: list[float] = []
    text = "\n".join(f"caller {i} wants parcel number {i % 7} at home" for i in range(3_000))
    summary = summarize({"text": text, "max_sentences": 4}, fractions.append)["text"]
    assert len(summary.split("\n")) == 4
    assert set(summary.split("\n")) <= set(text.split("\n"))
    assert len(fractions) > 5
    assert fractions == sorted(fractions)
    assert fractions[-1] <= 1


async def test_redaction_of_segments_keeps_everything_but_the_text(adapter: LocalAdapter) -> None:
    turns = segments(("a", "your phone number?"), ("b", "four one five five five five two"))
    answer = await adapter.call(
        ask(Capability.PII_REDACTION, RedactionRequest(segments=turns)), ignore_progress
    )
    assert isinstance(answer.response, RedactionResponse)
    expected = (turns[0], turns[1].model_copy(update={"text": "[PHONE_NUMBER]"}))
    assert answer.response.segments == expected
    assert answer.response.text == "your phone number?\n[PHONE_NUMBER]"
    assert answer.usage.characters == sum(len(turn.text) for turn in turns)


async def test_an_unknown_entity_type_is_refused_with_the_known_ones(
    adapter: LocalAdapter,
) -> None:
    request = RedactionRequest(text="x", entities=("SHOE_SIZE",))
    with pytest.raises(InvalidRequest) as caught:
        await adapter.call(ask(Capability.PII_REDACTION, request), ignore_progress)
    assert "SHOE_SIZE" in caught.value.message
    assert all(kind in caught.value.message for kind in KNOWN_TYPES)


async def test_sentiment_judges_segments_one_by_one_and_together(adapter: LocalAdapter) -> None:
    turns = segments(("a", "this is wonderful"), ("b", "this is awful"), ("b", "the table"))
    answer = await adapter.call(
        ask(Capability.SENTIMENT_ANALYSIS, SentimentRequest(segments=turns)), ignore_progress
    )
    assert isinstance(answer.response, SentimentResponse)
    assert answer.response.label == "mixed"
    assert answer.response.segments is not None
    labels = [(one.speaker, one.label) for one in answer.response.segments]
    assert labels == [("a", "positive"), ("b", "negative"), ("b", "neutral")]


async def test_empty_input_is_an_empty_answer_everywhere(adapter: LocalAdapter) -> None:
    requests: dict[Capability, list[Value]] = {
        Capability.PII_REDACTION: [RedactionRequest(text=""), RedactionRequest(segments=())],
        Capability.SENTIMENT_ANALYSIS: [SentimentRequest(text=""), SentimentRequest(segments=())],
        Capability.SUMMARIZATION: [SummarizationRequest(text="")],
    }
    for capability, variants in requests.items():
        for request in variants:
            answer = await adapter.call(ask(capability, request), ignore_progress)
            assert getattr(answer.response, "text", "") == ""
            assert answer.usage.characters == 0


async def test_text_work_never_uses_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched = tmp_path / "touched"
    (tmp_path / "sitecustomize.py").write_text(NETWORK_ALARM.format(path=str(touched)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    adapter = LocalAdapter()
    text = "jane.doe@example.co.uk, www.example.com, 415-555-2671. I love it. A sentence more."
    requests = {
        Capability.PII_REDACTION: RedactionRequest(text=text),
        Capability.SENTIMENT_ANALYSIS: SentimentRequest(text=text),
        Capability.SUMMARIZATION: SummarizationRequest(text=text),
    }
    try:
        for capability, request in requests.items():
            await adapter.call(ask(capability, request), ignore_progress)
    finally:
        await adapter.close()
    assert not touched.exists()


async def test_a_text_beyond_the_limit_is_too_large(adapter: LocalAdapter) -> None:
    request = SummarizationRequest(text="x" * 5_000_001)
    with pytest.raises(InputTooLarge):
        await adapter.call(ask(Capability.SUMMARIZATION, request), ignore_progress)


async def test_a_model_that_is_not_offered_is_refused(adapter: LocalAdapter) -> None:
    call = ProviderCall(
        "1", Capability.SUMMARIZATION, "gpt", SummarizationRequest(text="x"), None, 9
    )
    with pytest.raises(InvalidRequest, match="gpt"):
        await adapter.call(call, ignore_progress)


def test_every_offer_is_free_basic_and_says_what_it_is_too_weak_for() -> None:
    offers = LocalAdapter().offers()
    assert {offer.capability for offer in offers} == set(Capability) - {Capability.LLM_GENERATION}
    for offer in offers:
        assert offer.provider == "local"
        assert offer.price == Decimal(0)
        assert offer.available
        assert offer.caveat
        assert offer.quality_tier == "basic"


async def test_without_its_packages_an_offer_is_unavailable_and_says_what_to_install(
    adapter: LocalAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vaderSentiment", None)
    offers = {offer.capability: offer for offer in adapter.offers()}
    offer = offers[Capability.SENTIMENT_ANALYSIS]
    assert not offer.available
    assert "pip install 'perdure[local]'" in (offer.reason or "")
    assert offers[Capability.SUMMARIZATION].available
    with pytest.raises(ProviderUnavailable, match="vaderSentiment"):
        await adapter.call(
            ask(Capability.SENTIMENT_ANALYSIS, SentimentRequest(text="x")), ignore_progress
        )
