"""Vocabulary of spoken numbers: what words mean as digits, and what recognisers hear instead."""

SINGLES = {
    word: str(value)
    for value, word in enumerate("zero one two three four five six seven eight nine".split())  # noqa: SIM905 - a table
} | {"nought": "0", "naught": "0", "niner": "9"}

TEENS = {
    word: str(value)
    for value, word in enumerate(
        (
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ),
        start=10,
    )
}

TENS = {
    word: str(value)
    for value, word in zip(
        range(20, 100, 10),
        ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"),
        strict=True,
    )
} | {"fourty": "40"}

SCALES = {"hundred": "00", "thousand": "000"}

REPEATS = {"double": 2, "triple": 3, "treble": 3}

HOMOPHONES = {
    "oh": "0",
    "o": "0",
    "owe": "0",
    "won": "1",
    "to": "2",
    "too": "2",
    "tree": "3",
    "for": "4",
    "fore": "4",
    "fife": "5",
    "sex": "6",
    "sicks": "6",
    "ate": "8",
    "nein": "9",
}
"""Words that stand for a digit among digits, and for themselves elsewhere."""

FILLERS = frozenset(
    {"um", "uh", "er", "erm", "hmm", "mm", "and", "then", "dash", "hyphen", "space", "again"}
)
"""Words that people say between digits."""

AMOUNT_UNITS = frozenset(
    {
        *("dollar", "dollars", "buck", "bucks", "cent", "cents", "euro", "euros", "pound"),
        *("pounds", "usd", "eur", "gbp", "percent", "percentage", "per", "times", "degrees"),
        *("second", "seconds", "minute", "minutes", "hour", "hours", "day", "days"),
        *("nights", "week", "weeks", "month", "months", "year", "years", "business", "working"),
        *("o'clock", "am", "pm", "a.m", "p.m", "million", "billion", "grand", "point"),
        *("people", "persons", "items", "pieces", "units", "users", "customers", "calls"),
        *("orders", "points", "miles", "meters", "metres", "kilometers", "feet", "inches"),
        *("kilos", "kilograms", "grams", "gigabytes", "megabytes", "rows", "words", "pages"),
    }
)
"""What counts something: the number before it is an amount, nobody's number."""

CENTURIES = frozenset({"eighteen", "nineteen", "twenty"})


def is_single(word: str) -> bool:
    """Tell whether a word says one digit: "four", "4"."""
    return word in SINGLES or (word.isdecimal() and len(word) == 1)


def is_number(word: str) -> bool:
    """Tell whether a word is a number whatever stands around it."""
    return word.isdecimal() or any(
        word in table for table in (SINGLES, TEENS, TENS, SCALES, REPEATS)
    )
