import copy
from typing import Any

import pytest
from rich.console import Console

from cli.figures import clean, money, seconds, to_json, total
from cli.progress import Run
from cli.prose import sentences
from cli.render import result_parts
from cli.screens import frame, plain_line
from tests.unit.cli import scripts
from tests.unit.cli.scripts import CALL_OUTPUT, CALL_STEPS


def shown(*parts: Any, width: int = 100, colour: bool = False) -> str:
    console = Console(
        width=width,
        force_terminal=colour,
        markup=False,
        highlight=False,
        color_system="standard" if colour else None,
    )
    with console.capture() as capture:
        for part in parts:
            console.print(part)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def result_text(output: Any, steps: list[dict[str, Any]] | None = None, **values: Any) -> str:
    return shown(*result_parts(scripts.result(output, steps or [], **values)))


def test_a_conversation_names_each_speaker_and_time() -> None:
    text = result_text({"transcript": scripts.SEGMENTS})
    assert "  0:00  Agent     thank you for calling" in text
    assert "  1:06  Customer  [CREDIT_CARD_DIGITS]" in text


def test_a_speaker_is_named_again_only_after_another_one() -> None:
    segments = [
        {"start": start, "end": start, "text": "hm", "speaker": speaker}
        for start, speaker in enumerate(["0", "0", "1"])
    ]
    text = result_text({"transcript": segments})
    assert text.count("Speaker 0") == 1
    assert text.count("Speaker 1") == 1


def test_segments_without_times_or_speakers_are_shown() -> None:
    assert "hello" in result_text({"x": [{"start": None, "end": None, "text": "hello"}]})


def test_redactions_are_counted_and_the_text_is_not_repeated() -> None:
    text = result_text(CALL_OUTPUT)
    assert "Redacted  2 redactions: 1 PHONE_NUMBER, 1 CREDIT_CARD_DIGITS" in text
    assert text.count("thank you for calling") == 1


def test_redacted_text_alone_is_shown() -> None:
    value = {
        "text": "call [PHONE_NUMBER]",
        "segments": None,
        "entities": [{"type": "PHONE_NUMBER"}],
    }
    text = result_text({"redacted": value})
    assert "Redacted  1 redaction: 1 PHONE_NUMBER\n  call [PHONE_NUMBER]" in text


def test_redaction_marks_stand_out() -> None:
    parts = result_parts(scripts.result({"t": scripts.SEGMENTS}, []))
    assert "\x1b[1;33m[PHONE_NUMBER]\x1b[0m" in shown(*parts, colour=True)


def test_sentiment_is_shown_overall_and_per_speaker() -> None:
    text = result_text(CALL_OUTPUT)
    assert "Sentiment  negative -0.31" in text
    assert "  Agent     ───────●───  positive +0.39" in text
    assert "  Customer  ────●──────  negative -0.30" in text


def test_sentiment_takes_the_speakers_of_the_transcript() -> None:
    output: dict[str, Any] = copy.deepcopy(CALL_OUTPUT)
    for segment in output["sentiment"]["segments"]:
        del segment["speaker"]
    assert result_text(output) == result_text(CALL_OUTPUT)


def test_an_output_that_is_null_says_why() -> None:
    text = result_text(CALL_OUTPUT, CALL_STEPS)
    why = "Coaching  \N{EN DASH}  skipped: no provider of llm_generation is available"
    assert why in text
    assert text.count("no provider of llm_generation") == 1


def test_a_null_output_of_another_name_finds_its_step_by_order() -> None:
    skipped = scripts.step("second_step", "skipped", error={"code": "c", "message": "because"})
    text = result_text({"first": 1, "other": None}, [scripts.step("first", "completed"), skipped])
    assert "Other  \N{EN DASH}  skipped: because" in text


def test_a_model_answer_keeps_its_list() -> None:
    answer = {"text": "Good:\n1. polite\n2. fast\n- kind", "data": None, "finish_reason": "stop"}
    text = result_text({"coaching": answer})
    assert "Good:" in text
    assert "1. polite" in text
    assert "• kind" in text


def test_a_summary_of_lines_is_a_point_a_line() -> None:
    text = result_text({"summary": {"text": "first one\nsecond. Still second"}})
    assert " • first one\n • second. Still second" in text


def test_a_model_answer_that_was_cut_says_so() -> None:
    assert "cut off" in result_text({"c": {"text": "a", "finish_reason": "length"}})


def test_data_of_a_model_and_unknown_outputs_are_json() -> None:
    text = result_text(
        {"c": {"text": "", "data": {"n": 1}, "finish_reason": "stop"}, "l": [1, "ü"]}
    )
    assert '"n": 1' in text
    assert '"ü"' in text


def test_transcription_without_segments_is_text() -> None:
    value = {"text": "hello there", "language": "en", "duration_seconds": 61.0, "segments": None}
    assert "Transcript  en, 1:01\n  hello there" in result_text({"transcript": value})


@pytest.mark.parametrize("output", [None, {}, 3, "text", [], {"a": {}}, {"a": []}, {"a": ""}])
def test_any_output_can_be_shown(output: Any) -> None:
    assert "✓ completed" in result_text(output)


HOSTILE = "[red]x[/red] \x1b[31mred\x1b]0;title\x07 \r\x9b2J \u202etxt \ud800"


def test_what_came_from_the_api_cannot_steer_the_terminal() -> None:
    segments = [{"start": 0, "end": 1, "text": HOSTILE, "speaker": HOSTILE}]
    error = {
        "code": HOSTILE,
        "message": HOSTILE,
        "step": HOSTILE,
        "candidates": [{"code": HOSTILE}],
    }
    output = {
        HOSTILE: segments,
        "b": {"text": HOSTILE, "entities": [{"type": HOSTILE}]},
        "c": {"label": HOSTILE, "score": 1},
        "d": {"x": HOSTILE},
        "e": HOSTILE,
        "f": None,
    }
    step = scripts.step(HOSTILE, "skipped", f"{HOSTILE}/{HOSTILE}", error=error)
    text = result_text(output, [step], error=error, status=HOSTILE)
    assert not set(text) & set("\x1b\x07\r\x9b\u202e\ud800")
    assert "[red]x[/red]" in text
    line = plain_line({"event_type": HOSTILE, "step_name": "a\nb", "message": HOSTILE})
    assert not set(line) & set("\x1b\x07\r\n\x9b\u202e\ud800")


def test_json_with_hostile_text_is_harmless_and_equal() -> None:
    import json  # noqa: PLC0415

    assert not set(to_json({"a": HOSTILE})) & set("\x1b\x07\r\x9b\u202e\ud800")
    assert json.loads(to_json({"a": HOSTILE, "ü": "ü"})) == {"a": HOSTILE, "ü": "ü"}
    assert '"ü"' in to_json("ü")


def test_clean_shows_what_it_replaced() -> None:
    assert clean("a\x1bb\x7f\tc\nd") == "a␛b␡    c\nd"
    assert clean(" a\n b\r", one_line=True) == "a b␍"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "$0.00"),
        ("0E-9", "$0.00"),
        ("0.0043", "$0.0043"),
        ("12.5", "$12.50"),
        ("100", "$100.00"),
        ("0.0000001", "<$0.000001"),
        (None, "unknown"),
        ("NaN", "unknown"),
        ("junk", "unknown"),
    ],
)
def test_money(amount: str | None, text: str) -> None:
    assert money(amount) == text


def test_an_unknown_total_names_what_is_known() -> None:
    assert total(None, "0.5") == "unknown (at least $0.50)"
    assert total("0.25", "0.5") == "$0.25"
    assert total(None, None) == "unknown"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "0:59"), (75, "1:15")],
)
def test_durations(value: float, text: str) -> None:
    assert seconds(value) == text


def test_sentences_end_where_people_end_them() -> None:
    text = 'Dr. Smith called at 3.5 pm. He said "no." Then e.g. Bob left! Why? 4 reasons.'
    assert sentences(text) == [
        "Dr. Smith called at 3.5 pm.",
        'He said "no."',
        "Then e.g. Bob left!",
        "Why?",
        "4 reasons.",
    ]


@pytest.mark.parametrize("script", [scripts.call_analysis, scripts.long, scripts.failing])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (40, 10)])
def test_the_live_display_fits_the_terminal_at_every_event(
    script: Any, width: int, height: int
) -> None:
    played = script()
    run = Run.unplayed(played.snapshot)
    console = Console(width=width, height=height, force_terminal=True)
    now = scripts.START.timestamp() + 5
    for event in played.events:
        run.apply(event)
        text = shown(frame(run, console, now, "lost"), width=width)
        assert len(text.splitlines()) < height
        assert max(len(line) for line in text.splitlines()) <= width


def test_the_live_display_shows_progress_cost_and_time() -> None:
    played = scripts.call_analysis()
    run = Run.unplayed(played.snapshot)
    for event in played.events[:8]:
        run.apply(event)
    console = Console(width=80, height=24, force_terminal=True)
    text = shown(frame(run, console, scripts.START.timestamp() + 65, None), width=80)
    assert "transcribe  embedded/pocketsphinx" in text
    assert "26 of 57 s" in text
    assert "26 %   $0.00   1:04" in text
    assert "· coach" in text
