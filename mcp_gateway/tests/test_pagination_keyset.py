"""Pages by sort key: together they are the sorted list, whatever the order, the page sizes and the traffic."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    MetaData,
    Select,
    String,
    Table,
    create_engine,
    delete,
    event,
    insert,
    select,
)
from sqlalchemy.pool import StaticPool

from mcp_gateway.pagination import Keyset, SortKey
from mcp_gateway.storage.engine import open_database

metadata = MetaData()
titles = Table(
    "paged_titles",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", String, nullable=False),
    Column("year", BigInteger, nullable=True),
    Column("score", Float, nullable=True),
)
Index("paged_titles_by_name", titles.c.name, titles.c.id)
Index("paged_titles_by_name_newest", titles.c.name, titles.c.id.desc())

Row = tuple[int, str, int | None, float | None]
COLUMNS = ("id", "name", "year", "score")


@dataclass(frozen=True)
class Order:
    """Columns to sort by, and which of them fall."""

    keys: tuple[tuple[str, bool], ...]

    @property
    def keyset(self) -> Keyset:
        return Keyset(*(SortKey(titles.c[name], descending) for name, descending in self.keys))

    def position(self, row: Row) -> list[Any]:
        return [row[COLUMNS.index(name)] for name, _ in self.keys]

    def sorted(self, rows: Sequence[Row]) -> list[Row]:
        """What the database must agree with, in Python: nothing sorts behind everything, in both directions."""

        def compare(one: Row, other: Row) -> int:
            for (_, falling), a, b in zip(self.keys, self.position(one), self.position(other), strict=True):
                if a != b:
                    if a is None or b is None:
                        return 1 if a is None else -1
                    return (1 if a > b else -1) * (-1 if falling else 1)
            return 0

        return sorted(rows, key=cmp_to_key(compare))


ids = st.integers(0, 40)
# Few values make many ties; the floats have no short binary form.
names = st.sampled_from(["", "a", "B", "é", "ab"])
years = st.sampled_from([None, 1984, 2021])
scores = st.sampled_from([None, -0.1, 0.1, 0.30000000000000004, 1e300, float("inf")])
rows_strategy = st.lists(st.tuples(ids, names, years, scores), max_size=25, unique_by=lambda row: row[0])
orders = st.builds(
    lambda names, falling: Order(tuple(zip((*names, "id"), falling, strict=False))),
    st.lists(st.sampled_from(["name", "year", "score"]), unique=True),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
page_sizes = st.lists(st.integers(1, 7), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.connect() as connection:
        metadata.create_all(connection)
        yield connection
    engine.dispose()


def fill(connection: Connection, rows: Sequence[Row]) -> None:
    connection.execute(delete(titles))
    if rows:
        connection.execute(insert(titles), [dict(zip(COLUMNS, row, strict=True)) for row in rows])


def fetch(connection: Connection, statement: Select[Any]) -> list[Row]:
    return [tuple(row) for row in connection.execute(statement)]


def walk(connection: Connection, order: Order, sizes: Sequence[int], *, backward: bool = False) -> Iterator[list[Row]]:
    """Page after page until one is empty; the sizes take turns."""
    position = None
    for turn in range(200):
        statement = order.keyset.page(select(titles), position, backward=backward).limit(sizes[turn % len(sizes)])
        rows = fetch(connection, statement)
        yield rows
        if not rows:
            return
        position = order.position(rows[-1])
    raise AssertionError("the pages never end")


@given(rows_strategy, orders, page_sizes)
def test_forward_pages_make_the_sorted_list_and_backward_pages_its_mirror(
    connection: Connection, rows: list[Row], order: Order, sizes: list[int]
) -> None:
    fill(connection, rows)

    forward = [row for page in walk(connection, order, sizes) for row in page]
    backward = [row for page in walk(connection, order, sizes, backward=True) for row in page]

    assert forward == order.sorted(rows)
    assert backward == forward[::-1]


@given(rows_strategy, orders, st.integers(1, 5), st.integers(1, 5))
def test_the_page_before_the_next_page_is_the_page(
    connection: Connection, rows: list[Row], order: Order, skip: int, size: int
) -> None:
    """next ∘ prev = id, from any full page on."""
    fill(connection, rows)
    expected = order.sorted(rows)[skip : skip + size + 1]
    if len(expected) <= size:
        return
    first_of_next = order.position(expected[size])

    statement = order.keyset.page(select(titles), first_of_next, backward=True).limit(size)

    assert fetch(connection, statement)[::-1] == expected[:size]


@given(
    rows_strategy,
    orders,
    st.integers(1, 5),
    st.lists(st.lists(st.tuples(st.integers(41, 99), names, years, scores), max_size=4), max_size=12),
    st.data(),
)
def test_rows_that_stay_are_seen_exactly_once_whatever_comes_and_goes(
    connection: Connection, rows: list[Row], order: Order, size: int, arrivals: list[list[Row]], data: st.DataObject
) -> None:
    """Between any two pages rows are inserted, and others deleted, the one the position is taken from among them."""
    fill(connection, rows)
    leaving = data.draw(st.sets(st.sampled_from([row[0] for row in rows]))) if rows else set()
    seen: list[Row] = []

    for turn, page in enumerate(walk(connection, order, [size])):
        seen += page
        going = {row[0] for row in page if row[0] in leaving} | set(sorted(leaving)[turn : turn + 1])
        connection.execute(delete(titles).where(titles.c.id.in_(going)))
        for row in arrivals[turn] if turn < len(arrivals) else ():
            connection.execute(insert(titles).prefix_with("OR IGNORE"), dict(zip(COLUMNS, row, strict=True)))

    staying = [row for row in rows if row[0] not in leaving]
    assert [row for row in seen if row in staying] == order.sorted(staying)
    assert len({row[0] for row in seen}) == len(seen)


def test_a_position_continues_after_its_row_is_gone(connection: Connection) -> None:
    fill(connection, [(1, "a", None, None), (3, "a", None, None)])

    statement = Keyset(SortKey(titles.c.name), SortKey(titles.c.id)).page(select(titles.c.id), ("a", 2))

    assert connection.scalars(statement).all() == [3]


def test_a_filter_of_the_statement_stays(connection: Connection) -> None:
    fill(connection, [(1, "a", 1984, None), (2, "a", 2021, None), (3, "a", 1984, None)])
    films_of_1984 = select(titles.c.id).where(titles.c.year == 1984)

    assert connection.scalars(Keyset(SortKey(titles.c.id)).page(films_of_1984, (1,))).all() == [3]


def test_an_expression_can_be_a_key(connection: Connection) -> None:
    fill(connection, [(1, "a", 1984, None), (2, "a", None, None), (3, "a", 2021, None)])
    newest = Keyset(SortKey(titles.c.year + 1, descending=True), SortKey(titles.c.id))

    assert connection.scalars(newest.page(select(titles.c.id))).all() == [3, 1, 2]
    assert connection.scalars(newest.page(select(titles.c.id), (1985, 1))).all() == [2]


@pytest.mark.parametrize("position", [(), ("a",), ("a", 1, 2), ("a", None)])
def test_a_position_that_does_not_fit_the_keys_is_an_error(position: tuple[Any, ...]) -> None:
    """A row lost in silence is worse: comparing with NULL finds nothing."""
    with pytest.raises(ValueError, match=r"shorter|longer|never NULL"):
        Keyset(SortKey(titles.c.name), SortKey(titles.c.id)).page(select(titles), position)


newest = SortKey(titles.c.id, descending=True)


@pytest.mark.parametrize(
    ("keyset", "position"),
    [
        (Keyset(SortKey(titles.c.name), SortKey(titles.c.id)), ("a", 7)),
        (Keyset(SortKey(titles.c.name), newest), ("a", 7)),
    ],
)
@pytest.mark.parametrize("backward", [False, True])
def test_sqlite_finds_the_page_by_index_and_need_not_sort(
    connection: Connection, keyset: Keyset, position: tuple[Any, ...], backward: bool
) -> None:
    statement = keyset.page(select(titles), position, backward=backward).limit(10)

    (step,) = explain(connection, statement)

    assert step.startswith("SEARCH paged_titles USING INDEX paged_titles_by_")


@pytest.mark.anyio
async def test_every_order_can_be_walked_on_both_databases(database_url: str) -> None:
    rows: list[Row] = [
        (number, ("", "a", "ab", "b")[number % 4], (None, 1984, 2021)[number % 3], (None, 0.1, 0.3)[number // 20])
        for number in range(60)
    ]

    def walk_all(connection: Connection) -> None:
        metadata.create_all(connection)
        fill(connection, rows)
        for falling in product([False, True], repeat=3):
            for keys in permutations(["name", "year", "score"], 2):
                order = Order(tuple(zip((*keys, "id"), falling, strict=True)))
                forward = [row for page in walk(connection, order, [7, 2]) for row in page]
                backward = [row for page in walk(connection, order, [5], backward=True) for row in page]
                assert forward == order.sorted(rows)
                assert backward == forward[::-1]

    async with open_database(database_url) as database, database.transaction() as connection:
        await connection.run_sync(walk_all)


def explain(connection: Connection, statement: Select[Any]) -> list[str]:
    """SQLite's plan, line by line."""

    def ask(*arguments: Any) -> tuple[str, Any]:
        return f"EXPLAIN QUERY PLAN {arguments[2]}", arguments[3]

    event.listen(connection, "before_cursor_execute", ask, retval=True)
    try:
        return [str(row[3]) for row in connection.execute(statement)]
    finally:
        event.remove(connection, "before_cursor_execute", ask)
