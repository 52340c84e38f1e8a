from events.ids import EventId


def test_an_id_is_generation_event_and_index() -> None:
    assert str(EventId(1, 23, 4)) == "1.23.4"


def test_ids_are_ordered_as_numbers_not_as_text() -> None:
    assert EventId(1, 9, 0) < EventId(1, 10, 0) < EventId(1, 10, 2) < EventId(2, 1, 0)
