import pytest

from events.ids import EventId


def test_an_id_survives_its_text() -> None:
    assert EventId.parse(str(EventId(1, 23, 4))) == EventId(1, 23, 4)
    assert str(EventId(1, 23, 4)) == "1.23.4"


def test_ids_are_ordered_as_numbers_not_as_text() -> None:
    assert EventId(1, 9, 0) < EventId(1, 10, 0) < EventId(1, 10, 2) < EventId(2, 1, 0)


@pytest.mark.parametrize(
    "text", ["", "1", "1.2", "1.2.3.4", "1.2.", "a.b.c", "-1.2.3", "1.2.3 ", "1.²️.3", "1.٢.3"]
)
def test_what_has_not_the_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="event id"):
        EventId.parse(text)
