"""How much a step will use, in exact figures of what that costs."""

import json
from decimal import Decimal
from typing import Any

import pytest

from pipelines.estimate import estimate
from pipelines.estimating.speech import Recording
from pipelines.estimating.texts import REDACTION_PROMPT, SENTIMENT_PROMPT, SUMMARY_PROMPT
from providers import derived
from providers.types import (
    Capability,
    CostUnit,
    RedactionRequest,
    Segment,
    SentimentRequest,
    SummarizationRequest,
    Value,
)
from tests.estimating import Figures, costs, of_one, pipeline, step
from tests.offers import free, minutes, offer, prices, registry, tokens

LLM, REDACT, SUMMARY = (
    Capability.LLM_GENERATION,
    Capability.PII_REDACTION,
    Capability.SUMMARIZATION,
)
SPEECH, SPEAKERS = Capability.TRANSCRIPTION, Capability.TRANSCRIPTION_DIARIZATION
MOOD = Capability.SENTIMENT_ANALYSIS

OWN_WORDS = "No upper bound: a provider may add instructions of its own."
UNHEARD = "No upper bound: nobody knows how much is said in a recording."

RECORDINGS = {"artifact://one": Recording(60), "artifact://mute": None}


@pytest.mark.parametrize(
    ("url", "figures", "reason"),
    [
        ("artifact://one", ("0.006", "0.006", "0.006"), None),
        ("artifact://mute", (None, None, None), "The recording does not say how long it is."),
        (
            "https://example.com/a.wav",
            (None, None, None),
            "The recording is fetched in the run only, so its length is not known before.",
        ),
    ],
)
def test_a_recording_costs_its_minutes(url: str, figures: Figures, reason: str | None) -> None:
    found = of_one({}, {"audio_url": url}, minutes(), recordings=RECORDINGS)
    assert found == (figures, reason)


@pytest.mark.parametrize(
    ("channels", "figures"),
    [
        (1, ("0.008", "0.008", "0.008")),
        (2, ("0.008", "0.012", "0.012")),
        (3, ("0.008", "0.008", "0.008")),
        (None, ("0.008", "0.008", "0.012")),
    ],
)
def test_speakers_are_sold_by_voice_or_as_two_recordings(
    channels: int | None, figures: Figures
) -> None:
    sold = minutes(SPEAKERS, diarization_price="0.002")
    recordings = {"artifact://x": Recording(60, channels)}
    assert of_one({}, {"audio_url": "artifact://x"}, sold, recordings=recordings)[0] == figures


def test_speakers_cost_no_more_where_that_is_not_sold_by_itself() -> None:
    recordings = {"artifact://x": Recording(60, 1)}
    found = of_one({}, {"audio_url": "artifact://x"}, minutes(SPEAKERS), recordings=recordings)
    assert found == (("0.006", "0.006", "0.006"), None)


def test_sound_has_ten_tokens_a_second_and_a_transcript_of_fifteen_characters() -> None:
    sold = tokens(SPEECH, prices("2.5", "10", input_audio="6"))
    # 600 tokens heard, 900 characters written: 225 tokens.
    found = of_one({}, {"audio_url": "artifact://one"}, sold, recordings=RECORDINGS)
    assert found == (("0.00361", "0.00585", None), UNHEARD)


def test_each_channel_of_a_call_is_heard_by_itself() -> None:
    sold = tokens(SPEAKERS, prices("2.5", "10", input_audio="6"))
    recordings = {"artifact://x": Recording(60, 2)}
    found = of_one({}, {"audio_url": "artifact://x"}, sold, recordings=recordings)
    assert found[0] == ("0.00361", "0.00945", None)


@pytest.mark.parametrize(
    ("fields", "data", "figures", "reason"),
    [
        ({}, {"text": "abcdefghij"}, ("0.01", "0.01", "0.01"), None),
        ({}, {"text": "é" * 10}, ("0.01", "0.01", "0.01"), None),
        ({"params": {"text": "abc ${text}"}}, {"text": "de"}, ("0.006", "0.006", "0.006"), None),
        ({"input": {"text": "a + b"}}, {"a": "12", "b": "3"}, ("0.003", "0.003", "0.003"), None),
        (
            {},
            {"segments": [{"text": "ab"}, {"text": "cde"}], "text": "not read"},
            ("0.006", "0.006", "0.006"),  # a line's end between them
            None,
        ),
        ({}, {}, (None, None, None), "Nothing gives it 'text'."),
        ({}, None, (None, None, None), "It depends on the run's input."),
        (
            {"input": {"text": "a.b"}},
            {"a": "12"},
            (None, None, None),
            "'a.b' can't be evaluated.",
        ),
    ],
)
def test_characters_are_those_of_the_text(
    fields: dict[str, Any], data: dict[str, Any] | None, figures: Figures, reason: str | None
) -> None:
    names: dict[str, Any] = {name: {} for name in ("text", "segments", "a", "b")}
    definition = pipeline(
        step("one", REDACT, **fields), input_schema={"type": "object", "properties": names}
    )
    sold = offer(REDACT, CostUnit.CHARACTER, "0.001")
    (found,) = estimate(definition, data, registry(sold)).steps
    assert (costs(found), found.reason) == (figures, reason)


@pytest.mark.parametrize(
    ("params", "figures", "reason"),
    [
        # 8 bytes: 2 tokens, at most 8 and a message's frame.
        ({"prompt": "abcdefgh"}, ("0.0000007", "0.0005122", "0.0005144"), None),
        (
            {"prompt": "abcdefgh", "max_output_tokens": 10},
            ("0.0000007", "0.0000052", "0.0000074"),
            None,
        ),
        # 16 bytes in 8 characters.
        (
            {"prompt": "é" * 8, "max_output_tokens": 10},
            ("0.0000009", "0.0000054", "0.0000082"),
            None,
        ),
        (
            {"prompt": "abcd", "system": "efgh", "max_output_tokens": 10},
            ("0.0000007", "0.0000052", "0.000009"),
            None,
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": "${word}"},
                    {"role": "assistant", "content": "efgh"},
                    {"role": "user", "content": "ijkl"},
                ],
                "max_output_tokens": "${length}",
            },
            ("0.0000008", "0.0000053", "0.000011"),
            None,
        ),
        (
            {
                "prompt": "abcd",
                "max_output_tokens": 10,
                "response_schema": {"type": "object"},
            },
            ("0.0000011", "0.0000056", None),
            "No upper bound: a provider adds words of its own for 'response_schema'.",
        ),
    ],
)
def test_a_generation_costs_what_is_read_and_all_that_may_be_written(
    params: dict[str, Any], figures: Figures, reason: str | None
) -> None:
    data = {"word": "abcd", "length": 10}
    assert of_one({"params": params}, data, tokens()) == (figures, reason)


def test_a_long_request_has_the_prices_of_its_tier() -> None:
    sold = tokens(LLM, prices("0.1", "0.5"), prices("1", "5", above=100))
    # 100 tokens are not above 100; the bound of 416 is.
    short = of_one({"params": {"prompt": "x" * 400, "max_output_tokens": 10}}, {}, sold)
    assert short[0] == ("0.0000105", "0.000015", "0.000466")
    long = of_one({"params": {"prompt": "x" * 404, "max_output_tokens": 10}}, {}, sold)
    assert long[0] == ("0.000106", "0.000151", "0.00047")


def test_the_worst_case_writes_the_prompt_to_the_cache_where_that_costs_more() -> None:
    sold = tokens(LLM, prices("0.1", "0.5", cache_write_input="0.125"))
    found = of_one({"params": {"prompt": "abcdefgh", "max_output_tokens": 10}}, {}, sold)
    assert found[0] == ("0.0000007", "0.0000052", "0.000008")


SPOKEN = {"audio_url": "artifact://one"}  # 900 characters


@pytest.mark.parametrize(
    ("made", "prompt", "read"),
    [
        (step("made", SPEECH), "Sum up: ${made.text}", 227),
        (step("made", MOOD, params={"text": "x"}), "It is ${made.label}", 4),
        (step("made", MOOD, params={"text": "x"}), "It is ${made.score}!", 8),
        (step("made", REDACT, params={"text": "x" * 40}), "${made.text}", 10),
        (step("made", SUMMARY, params={"text": "x" * 4000}), "${made.text}", 150),
        (
            step("made", SUMMARY, params={"text": "x" * 4000, "max_sentences": 2}),
            "${made.text}",
            60,
        ),
        (step("made", SUMMARY, params={"text": "x" * 40}), "${made.text}", 10),
        (step("made", LLM, params={"prompt": "x", "max_output_tokens": 9}), "${made.text}", 9),
        (step("made", LLM, params={"prompt": "x", "max_output_tokens": 9}), "${made.data}", 9),
        (step("made", SPEECH), "All: ${made}", None),
        (step("made", SPEECH), "${made.text + 'x'}", None),
        (step("made", SPEECH), "${made.language}", None),
    ],
)
def test_a_prompt_is_as_long_as_what_it_names(
    made: dict[str, Any], prompt: str, read: int | None
) -> None:
    params = {"prompt": prompt, "max_output_tokens": 1}
    definition = pipeline(made, step("ask", LLM, params=params))
    capability = Capability(made["capability"])
    others = [] if capability is LLM else [free(capability)]
    offers = registry(tokens(LLM, prices("1", "0")), *others)
    found = estimate(definition, SPOKEN, offers, RECORDINGS).steps[1].estimated_cost_usd
    assert found == (None if read is None else Decimal(read) / 1_000_000)


@pytest.mark.parametrize(("mode", "most"), [("mask", None), ("remove", "0.00057")])
def test_a_redacted_text_has_a_bound_only_where_nothing_is_written_instead(
    mode: str, most: str | None
) -> None:
    definition = pipeline(
        step("hide", REDACT, params={"mode": mode}, output="hidden"),
        step("ask", LLM, params={"prompt": "${hidden.text}"}),
    )
    found = estimate(
        definition, {"text": "x" * 42}, registry(free(REDACT), tokens(LLM, prices("1", "0.5")))
    )
    assert costs(found.steps[1])[2] == most


@pytest.mark.parametrize(
    ("capability", "data", "expected"),
    [
        (REDACT, {"text": "x" * 400}, (750 + 100, 100)),
        (MOOD, {"text": "x" * 400}, (460 + 100, 20)),
        (MOOD, {"segments": [{"text": "x" * 200}] * 2}, (460 + 20 + 101, 60)),
        (SUMMARY, {"text": "x" * 4000}, (280 + 1000, 150)),
        (SUMMARY, {"text": "x" * 400}, (280 + 100, 100)),
    ],
)
def test_a_language_model_also_reads_its_task(
    capability: Capability, data: dict[str, Any], expected: tuple[int, int]
) -> None:
    read, written = expected
    (best, likely, worst), reason = of_one({}, data, tokens(capability, prices("1", "1000")))
    assert likely is not None
    assert Decimal(likely) == Decimal(read + written * 1000) / 1_000_000
    assert Decimal(best or 0) == Decimal(read + 1000) / 1_000_000
    assert (worst, reason) == (None, OWN_WORDS)


SEGMENTS = tuple(Segment(start=i, end=i + 1, text="word " * 20) for i in range(10))


@pytest.mark.parametrize(
    ("request_", "figure"),
    [
        (RedactionRequest(text=""), REDACTION_PROMPT),
        (RedactionRequest(segments=SEGMENTS), REDACTION_PROMPT),
        (SentimentRequest(text=""), SENTIMENT_PROMPT),
        (SentimentRequest(segments=SEGMENTS), SENTIMENT_PROMPT),
        (SummarizationRequest(text=""), SUMMARY_PROMPT),
    ],
)
def test_our_own_prompts_are_about_as_long_as_estimates_take_them_to_be(
    request_: Value, figure: int
) -> None:
    asked = derived.ask(request_)
    segments = getattr(request_, "segments", None) or ()
    written = f"{asked.system}{asked.prompt}{json.dumps(asked.response_schema)}"
    ours = len(written) - sum(len(one.text) for one in segments)
    assert 0.6 * figure < ours / 4 - 10 * len(segments) <= 1.05 * figure
