"""Types of many kinds, and values of them."""

from __future__ import annotations

import collections
import enum
import typing
import uuid
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Generic, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar, Union

T = TypeVar("T")


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mode(enum.StrEnum):
    FAST = "fast"
    SLOW = "slow"


class OldMode(enum.StrEnum):
    ON = "on"


class Bits(enum.IntFlag):
    A = 1
    B = 2


@dataclass
class Point:
    x: int
    y: float = 0.0


@dataclass(frozen=True)
class Order:
    id: uuid.UUID
    at: datetime
    items: list[Point]
    mode: Mode = Mode.FAST
    note: str | None = None
    tags: set[str] = field(default_factory=set)
    by_level: dict[Level, Point] = field(default_factory=dict)


@dataclass
class Tree:
    name: str
    children: list[Tree] = field(default_factory=list)
    parent: Tree | None = None


@dataclass
class Computed:
    a: int
    double: int = field(init=False, default=0)


@dataclass
class Box(Generic[T]):
    value: T


class Movie(TypedDict):
    title: str
    year: int


class Partial(TypedDict, total=False):
    title: str
    point: Point


class Pair(NamedTuple):
    a: int
    b: str


class Model:
    """As Pydantic 1 has them."""

    def __init__(self, **values: Any) -> None:
        self.values = values

    @classmethod
    def parse_obj(cls, value: dict[str, Any]) -> Model:
        return cls(**value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Model) and other.values == self.values

    def __hash__(self) -> int:
        return 0


class Dicted:
    def dict(self) -> dict[str, Any]:
        return {"b": 1, "a": Point(1)}


class Plain:
    pass


UserId = NewType("UserId", int)

ID = uuid.UUID("12345678-1234-5678-1234-567812345678")
AT = datetime(2026, 1, 2, 3, 4, 5, 678900, timezone.utc)

CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)

# What is encoded, good and bad.
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    10**30,
    1.5,
    1e300,
    -0.0,
    1e16,
    "",
    "text",
    'größe ☃ 👩 "quoted" \\ \n\x00',
    "\ud800",
    b"",
    b"\x00\xff",
    bytearray(b"ab"),
    [],
    [1, [2, [3]]],
    (1, "a"),
    {},
    {"b": 1, "a": {"d": 1, "c": [None]}},
    {1: "a", 2: "b"},
    {True: 1},
    {None: 1},
    {1.5: 1},
    {Level.LOW: 1},
    {Mode.FAST: 1},
    {1: 1, "a": 2},
    {(1, 2): 3},
    {Point(1).x: 2},
    {1},
    frozenset({"x"}),
    collections.deque([1, 2]),
    collections.OrderedDict(b=1, a=2),
    collections.defaultdict(int, a=1),
    collections.Counter("aab"),
    range(3),
    iter([1, 2]),
    Level.HIGH,
    Mode.SLOW,
    OldMode.ON,
    Bits.A | Bits.B,
    Color.RED,
    AT,
    datetime(2026, 1, 2),
    datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    date(2026, 1, 2),
    timedelta(seconds=1),
    Decimal("1.5"),
    ID,
    [ID, AT],
    Point(1, 2.5),
    Order(ID, AT, [Point(1), Point(2, 3)], Mode.SLOW, "n", {"t"}, {Level.LOW: Point(9)}),
    Tree("a", [Tree("b"), Tree("c", [Tree("d")])]),
    Computed(3),
    Box(Point(1)),
    Box([Point(1), {"k": Point(2)}]),
    Movie(title="t", year=1),
    Pair(1, "b"),
    [Pair(1, "b"), Dicted()],
    Dicted(),
    Plain(),
    [Plain()],
    Point,
    print,
    1j,
    CIRCLE,
    {"a": {1, 2} - {2}},
    [b"ab"],
]

# What is decoded, by every one of these.
HINTS: list[Any] = [
    Any,
    None,
    type(None),
    int,
    float,
    bool,
    str,
    bytes,
    object,
    list,
    dict,
    tuple,
    set,
    typing.List[int],  # noqa: UP006
    typing.Dict[str, int],  # noqa: UP006
    typing.List,  # noqa: UP006
    typing.Dict,  # noqa: UP006
    list[int],
    list[Any],
    list[Point],
    list[list[int]],
    list[T],  # type: ignore[valid-type]
    dict[str, int],
    dict[str, Any],
    dict[int, str],
    dict[float, str],
    dict[bool, int],
    dict[None, int],
    dict[Level, int],
    dict[Mode, int],
    dict[UserId, int],
    dict[str, Point],
    dict[int | str, int],
    dict[Literal["a"], int],
    Mapping[str, int],
    MutableMapping[str, Point],
    Sequence[int],
    Iterable[str],
    tuple[int, str],
    tuple[int, ...],
    tuple[str, int, ...],  # type: ignore[misc]
    tuple[()],
    set[int],
    set[str],
    frozenset[str],
    collections.deque[int],
    Optional[int],  # noqa: UP045
    Union[int, str],  # noqa: UP007
    int | str,
    str | int,
    int | None,
    None | str,
    list[int | str],
    list[str | int],
    Point | None,
    Point | Movie,
    Movie | Point,
    bool | int | str,
    list[Point | None],
    Literal["a", 1, None],
    Literal["fast"] | Point,
    UserId,
    list[UserId],
    T,
    datetime,
    datetime | None,
    date,
    timedelta,
    Decimal,
    uuid.UUID,
    Color,
    Level,
    Mode,
    OldMode,
    Bits,
    list[Mode],
    Point,
    Order,
    Tree,
    Computed,
    Box,
    Box[int],
    Movie,
    Partial,
    list[Movie],
    Pair,
    Model,
    Dicted,
    Plain,
]

JSON: list[str] = [
    "null",
    "true",
    "false",
    "0",
    "1",
    "2",
    "-7",
    "1.0",
    "1.5",
    "1e400",
    "123456789012345678901234567890",
    '""',
    '"a"',
    '"1"',
    '"fast"',
    '"on"',
    '"red"',
    '"größe ☃"',
    '"\\ud83d\\ude80"',
    '"2026-01-02T03:04:05.6789Z"',
    '"2026-01-02"',
    '"2026-01-02T03:04:05+05:30"',
    '"20260102T030405"',
    f'"{ID}"',
    f'"{ID.hex}"',
    "[]",
    "[1]",
    "[1, 2, 3]",
    '[1, "a"]',
    '["a", 1]',
    '["a", "b"]',
    "[256]",
    "[97, 98]",
    "[[1], [2]]",
    "[null]",
    "[1.5, true]",
    '["fast", "slow"]',
    '[{"x": 1}]',
    '[{"x": 1}, null]',
    '[{"title": "t", "year": 1}]',
    "{}",
    '{"a": 1}',
    '{"1": "x"}',
    '{"1": 1, "2": 2}',
    '{"1.5": "x"}',
    '{"true": 1}',
    '{"null": 1}',
    '{"fast": 1}',
    '{"x": 1}',
    '{"x": 1, "y": 2}',
    '{"x": "1"}',
    '{"x": 1, "y": null}',
    '{"x": 1.9, "unknown": []}',
    '{"a": {"x": 1}}',
    '{"title": "t", "year": 1}',
    '{"title": "t"}',
    '{"title": "t", "year": "1"}',
    '{"title": 1, "point": {"x": 2}}',
    '{"point": {"x": 2}}',
    '{"a": 3, "double": 6}',
    '{"a": 3, "double": "6"}',
    '{"name": "a", "children": [{"name": "b", "children": [], "parent": {"name": "a"}}]}',
    '{"name": "a", "children": [{"name": 1}]}',
    '{"value": {"x": 1}}',
    '{"value": 1}',
    f'{{"id": "{ID}", "at": "2026-01-02T03:04:05Z", "items": [{{"x": 1}}]}}',
    f'{{"id": "{ID}", "at": "2026-01-02T03:04:05Z", "items": [{{"x": 1, "y": 2.5}}], '
    '"mode": "slow", "note": "n", "tags": ["a", "b", "a"], "by_level": {"1": {"x": 1}}}',
    f'{{"id": "{ID}", "at": "yesterday", "items": []}}',
    '{"id": "x", "at": "2026-01-02", "items": []}',
    f'{{"id": "{ID}", "at": "2026-01-02", "items": {{}}, "mode": "other"}}',
]
