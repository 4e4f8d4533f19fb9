"""The pattern of a table's range partitions, and the partitions that come next. Pure.

Owns deriving an interval and a form of name from partitions that are there. Where they
follow no pattern, it says so and guesses nothing. Reading and making partitions is for
`partitions.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import cast

Value = datetime | int

MONTHS = (1, 2, 3, 4, 6, 12, 24, 60, 120)
"""Steps that calendars know; 12 is a year."""

PROOF = 3
"""The newest partitions that must follow the pattern; older ones may be of another."""

NAME_BYTES = 63

_TIMES = {"date", "timestamp without time zone", "timestamp with time zone"}
_NUMBERS = {"smallint", "integer", "bigint", "numeric"}
_BOUND = re.compile(
    r"FOR VALUES FROM \((?:'([^']*)'|(-?\d+))\) TO \((?:'([^']*)'|(-?\d+))\)"
)
_DATES = (
    *("%Y_%m_%d_%H", "%Y-%m-%d-%H", "%Y%m%d_%H", "%Y%m%d%H", "%Y_%m_%d_%H%M"),
    *("%Y_%m_%d", "%Y-%m-%d", "%Y%m%d", "y%Ym%md%d", "%d_%m_%Y"),
    *("%G_w%V", "%Gw%V", "%G_W%V", "%GW%V", "%G-W%V", "%G_%V", "%G%V"),
    *("%Y_%m", "%Y-%m", "y%Ym%m", "%Ym%m", "%Y%m", "%y%m%d", "%y_%m", "%y%m"),
    *("%b_%Y", "%b%Y", "%Y_%b", "%Y", "%H"),
)
"""How names tell a date, the longest first."""


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """One partition: from `lower`, included, to `upper`."""

    lower: Value
    upper: Value
    name: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """How the next partitions follow the newest one.

    Attributes:
        newest: the partition with the highest upper bound.
        after: the upper bound of the partition that begins at a bound.
        name_of: the name of a partition, its place after the newest one given.
        zone: whose wall clock its bounds are.
    """

    newest: Range
    after: Callable[[Value], Value]
    name_of: Callable[[Value, Value, int], str]
    zone: tzinfo = UTC

    def next(self, count: int) -> Iterator[Range]:
        """The partitions that come next.

        Raises:
            NoPattern: a name would be too long, or one that is there.
        """
        lower, names = self.newest.upper, {self.newest.name}
        for place in range(1, count + 1):
            upper = self.after(lower)
            name = self.name_of(lower, upper, place)
            if len(name.encode()) > NAME_BYTES or name in names:
                raise NoPattern(f"{name} is no name for the next partition")
            names.add(name)
            yield Range(lower, upper, name)
            lower = upper


class NoPattern(Exception):
    """The partitions follow no pattern that is known; the text says why."""


def ranges_of(
    partitions: Iterable[tuple[str, str]], key: str, zone: tzinfo = UTC
) -> list[Range]:
    """Partitions as ranges, lowest first; DEFAULT and open-ended ones left out. Pure.

    Args:
        partitions: name and bound, as pg_get_expr prints it with TimeZone UTC.
        key: the key's type.
        zone: whose wall clock cuts a timestamptz key.
    """
    found = []
    for name, bound in partitions:
        parts = _BOUND.fullmatch(bound)
        if parts is None:
            continue
        ends = [_value(parts[1] or parts[2], key, zone)]
        ends.append(_value(parts[3] or parts[4], key, zone))
        if None not in ends:
            lower, upper = cast("list[Value]", ends)
            found.append(Range(lower, upper, name))
    return sorted(found, key=lambda one: (one.upper, one.lower))


def is_time(key: str) -> bool:
    """Whether a key of this type is cut by time."""
    return key in _TIMES


def is_number(key: str) -> bool:
    """Whether a key of this type is cut by numbers."""
    return key in _NUMBERS


def _value(text: str, key: str, zone: tzinfo) -> Value | None:
    if is_number(key):
        return int(text) if re.fullmatch(r"-?\d+", text) else None
    if not is_time(key):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:  # infinity, or before our era
        return None
    return found.astimezone(zone).replace(tzinfo=None) if found.tzinfo else found


def derive(ranges: Sequence[Range], zone: tzinfo = UTC) -> Pattern:
    """The pattern of the newest partitions. Pure.

    Raises:
        NoPattern: there is none.
    """
    newest = list(ranges)[-PROOF:]
    if len(newest) < 2:
        raise NoPattern("fewer than two partitions with both bounds: no interval shows")
    for one, other in pairwise(newest):
        if one.upper != other.lower:
            raise NoPattern(f"{other.name} does not begin where {one.name} ends")
    return Pattern(newest[-1], _interval(newest), _naming(newest), zone)


def _interval(newest: Sequence[Range]) -> Callable[[Value], Value]:
    if isinstance(newest[-1].lower, datetime):
        for months in MONTHS:
            if all(_later(one.lower, months) == one.upper for one in newest):
                return lambda lower: cast("datetime", _later(lower, months))
    steps = {_length(one) for one in newest}
    if len(steps) != 1:
        raise NoPattern("the newest partitions are not equally long")
    step = steps.pop()
    return lambda lower: _moved(lower, step)


def _length(one: Range) -> timedelta | int:
    if isinstance(one.lower, datetime) and isinstance(one.upper, datetime):
        return one.upper - one.lower
    return cast("int", one.upper) - cast("int", one.lower)


def _moved(value: Value, step: timedelta | int) -> Value:
    if isinstance(value, datetime):
        return value + cast("timedelta", step)
    return value + cast("int", step)


def _later(value: Value, months: int) -> datetime | None:
    if isinstance(value, int):
        return None
    month = value.month - 1 + months
    try:
        return value.replace(year=value.year + month // 12, month=month % 12 + 1)
    except ValueError:
        return None  # the 31st


def _naming(newest: Sequence[Range]) -> Callable[[Value, Value, int], str]:
    """A form that names each of the newest partitions as it is named."""
    last = newest[-1]
    for tell in _tellings(last.lower):
        text = tell(last.lower, last.upper)
        at = last.name.rfind(text)
        if at < 0:
            continue
        name_of = _form(last.name[:at], tell, last.name[at + len(text) :])
        if all(name_of(one.lower, one.upper, 0) == one.name for one in newest):
            return name_of
    return _counted(newest)


Telling = Callable[[Value, Value], str]


def _form(before: str, tell: Telling, after: str) -> Callable[[Value, Value, int], str]:
    return lambda lower, upper, _: f"{before}{tell(lower, upper)}{after}"


def _tellings(example: Value) -> Iterator[Telling]:
    """Ways in which a name tells the bounds of its partition."""
    if isinstance(example, int):
        yield lambda lower, upper: f"{lower}_{upper}"
        yield lambda lower, upper: f"{lower}_{cast('int', upper) - 1}"
        yield lambda lower, _: str(lower)
        yield lambda _, upper: str(upper)
        yield lambda _, upper: str(cast("int", upper) - 1)
        return
    for form in _DATES:
        yield lambda lower, upper, f=form: f"{_date(lower, f)}_{_date(upper, f)}"  # type: ignore[misc]
        yield lambda lower, _, f=form: _date(lower, f)  # type: ignore[misc]
        yield lambda _, upper, f=form: _date(upper, f)  # type: ignore[misc]
        yield lambda _, upper, f=form: _date(_before(upper), f)  # type: ignore[misc]
    for sign in ("_q", "q", "_Q", "Q"):
        yield lambda lower, _, s=sign: _quarter(lower, s)  # type: ignore[misc]


def _date(value: Value, form: str) -> str:
    text = cast("datetime", value).strftime(form)
    return text.lower() if "%b" in form else text


def _before(value: Value) -> Value:
    return cast("datetime", value) - timedelta(microseconds=1)


def _quarter(value: Value, sign: str) -> str:
    at = cast("date", value)
    return f"{at.year}{sign}{(at.month + 2) // 3}"


def _counted(newest: Sequence[Range]) -> Callable[[Value, Value, int], str]:
    """Names that end with a running number."""
    parts = [re.fullmatch(r"(.*?)(\d+)", one.name) for one in newest]
    found = [part for part in parts if part]
    stems = {part[1] for part in found}
    numbers = [int(part[2]) for part in found]
    first = numbers[0] if numbers else 0
    if (
        len(found) != len(newest)
        or len(stems) != 1
        or numbers != list(range(first, first + len(numbers)))
    ):
        raise NoPattern(f"the name {newest[-1].name} tells neither bound nor place")
    stem, width = found[-1][1], len(found[-1][2])
    padded = found[-1][2].startswith("0")
    return lambda _lower, _upper, place: (
        f"{stem}{numbers[-1] + place:0{width if padded else 1}d}"
    )
