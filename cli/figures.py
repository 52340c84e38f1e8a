"""How figures look, and how text from elsewhere is made harmless. Pure, standard library only.

Everything that came through the API may hold anything: a transcript with an escape sequence, a
provider's message with a carriage return. `clean` replaces what a terminal would obey or what
would make a line read other than it is; rich's markup is never interpreted, as the room only
builds `rich.text.Text`.
"""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

# C0 but tab and newline, DEL, C1, lone surrogates, line and paragraph separators, and the
# bidirectional controls that reorder what follows (https://www.unicode.org/reports/tr9/).
_HARMFUL = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069"
)
_CONTROL = re.compile(f"[{_HARMFUL}]")
_NOT_IN_JSON = re.compile(f"[{_HARMFUL}]".replace("\x00-\x08\x0b-\x1f", ""))
ABSENT = "\N{EN DASH}"
"""What stands where there is nothing."""

_LAST_PICTURED = 0x20
_DELETE = 0x7F


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < _LAST_PICTURED:
        return chr(0x2400 + code)  # U+2400 is the picture of NUL, and so on
    return "\u2421" if code == _DELETE else "\ufffd"


def clean(value: object, *, one_line: bool = False) -> str:
    """Return text that a terminal shows and does not obey: ESC becomes its picture, `␛`."""
    text = _CONTROL.sub(_picture, str(value))
    return " ".join(text.split()) if one_line else text.replace("\t", "    ")


def to_json(value: Any) -> str:
    """Return readable JSON; characters a terminal might obey are escaped, the value is equal."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _NOT_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def to_json_line(value: Any) -> str:
    """Return JSON in one line of ASCII."""
    return json.dumps(value)


def decimal(value: object) -> Decimal | None:
    """Return an amount of the API, or None where it is unknown or no number."""
    if value is None or isinstance(value, bool):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def money(value: object) -> str:
    """Return `$0.00`, or as many digits as the amount has, six at most; unknown as `unknown`."""
    amount = decimal(value)
    if amount is None:
        return "unknown"
    if 0 < amount < Decimal("0.000001"):
        return "<$0.000001"
    whole, _, fraction = f"{amount:.6f}".rstrip("0").partition(".")
    return f"${whole}.{fraction:0<2}"


def exact(value: object) -> str:
    """Return an amount with every digit that it has, `$0.00` at least; unknown as `unknown`."""
    amount = decimal(value)
    if amount is None:
        return "unknown"
    whole, _, fraction = f"{amount:f}".partition(".")
    return f"${whole}.{fraction.rstrip('0'):0<2}"


def in_column(amounts: Sequence[str]) -> list[str]:
    """Pad amounts so that their decimal points stand below one another; words end the column."""
    parts = [amount.partition(".") for amount in amounts if "." in amount]
    before = max((len(whole) for whole, _, _ in parts), default=0)
    after = max((len(point + fraction) for _, point, fraction in parts), default=0)
    room = max(before + after, *map(len, amounts)) if amounts else 0
    before = room - after
    return [
        f"{whole:>{before}}{point + fraction:<{after}}" if point else f"{whole:>{room}}"
        for whole, point, fraction in (amount.partition(".") for amount in amounts)
    ]


def percent(part: Decimal, whole: Decimal) -> str:
    """Return `36 %`; nothing where there is no whole."""
    if not whole:
        return ""
    if 0 < part < whole:
        return f"{_bounded(100 * part / whole)} %"
    return f"{100 * part / whole:.0f} %"


def _bounded(share: Decimal) -> str:
    """Return a share that is neither 0 nor 100, and is not called so."""
    if share < 1:
        return "<1"
    return ">99" if share > 99 else f"{share:.0f}"  # noqa: PLR2004 - one from all


def total(cost: object, known: object) -> str:
    """Return a run's cost; where a part of it is unknown, the part that is known as a bound."""
    if decimal(cost) is not None:
        return money(cost)
    return f"unknown (at least {money(known)})" if decimal(known) is not None else "unknown"


def seconds(value: float) -> str:
    """Return how long something took: `0.4 s`, `34 s`, `12:05`, `3:00:00`."""
    if value < 9.95:  # noqa: PLR2004 - from here on it would round to 10.0
        return f"{value:.1f} s"
    return f"{value:.0f} s" if value < 59.5 else clock(value)  # noqa: PLR2004 - rounds to 60


def span(value: float) -> str:
    """Return a bound of time: `4 h`, `25 min`, `90 s`."""
    for unit, name in ((3600, "h"), (60, "min")):
        if value >= unit and value % unit == 0:
            return f"{value / unit:.0f} {name}"
    return f"{value:g} s"


def byte_size(value: float) -> str:
    """Return a bound of size: `1 GiB`, `25 MiB`, `25 MB`, `900 bytes`."""
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (10**9, "GB"), (10**6, "MB")):
        if value >= unit and value % unit == 0:
            return f"{value / unit:.0f} {name}"
    return f"{value:,.0f} bytes"


def clock(value: float) -> str:
    """Return a place in a recording or a running time: `0:07`, `12:05`, `1:02:03`."""
    minutes, second = divmod(int(value), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def epoch(timestamp: object) -> float | None:
    """Return an RFC 3339 time as seconds since the epoch, None where there is none."""
    try:
        return datetime.fromisoformat(str(timestamp)).timestamp()
    except ValueError:
        return None


def count(number: int, noun: str) -> str:
    """Return `1 redaction`, `2 redactions`."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
