"""Pages say what is true of the list, and their links lead where they say."""

import re
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from mcp_gateway.capability import NoParams, capability
from mcp_gateway.errors import InvalidParams
from mcp_gateway.pagination import DEEPEST_OFFSET, Links, NumberedPage, Page, link_header, links_of, offset_of

counts = st.integers(0, 5000)
sizes = st.integers(1, 200)


class Films(Page):
    """A result that is followed by cursor, in both directions."""

    items: list[str]
    prev_cursor: str | None = None


class Shelf(NumberedPage):
    """A result with page numbers."""

    items: list[str]


def wire(page: Page | NumberedPage) -> dict[str, Any]:
    return page.model_dump(mode="json", by_alias=True, exclude_none=True)


@given(counts, sizes)
def test_total_pages_is_the_number_of_pages_that_hold_all_rows(total: int, per_page: int) -> None:
    """The public predecessor of this gateway divided by the rows on the page at hand."""
    pages = [range(total)[start : start + per_page] for start in range(0, total, per_page)]

    for number in {1, len(pages) // 2 or 1, len(pages) or 1}:
        page = NumberedPage(total=total, page=number, per_page=per_page)
        assert page.total_pages == len(pages)


def test_a_short_last_page_does_not_change_the_number_of_pages() -> None:
    assert Shelf(total=41, page=5, per_page=10, items=["only one"]).total_pages == 5


def test_a_page_knows_its_own_number() -> None:
    """The public predecessor of this gateway always answered 1."""
    assert wire(Shelf(total=41, page=3, per_page=10, items=[])) == {
        "total": 41,
        "page": 3,
        "per_page": 10,
        "total_pages": 5,
        "has_more": True,
        "next_page": 4,
        "prev_page": 2,
        "items": [],
    }


@given(counts, sizes)
def test_next_pages_visit_every_row_once_and_previous_pages_lead_back(total: int, per_page: int) -> None:
    rows: list[int] = []
    page = NumberedPage(total=total, page=1, per_page=per_page)
    while True:
        offset = (page.page - 1) * per_page
        rows += range(total)[offset : offset + per_page]
        assert page.has_more == (len(rows) < total)
        if page.next_page is None:
            break
        following = NumberedPage(total=total, page=page.next_page, per_page=per_page)
        assert following.prev_page == page.page
        page = following

    assert rows == list(range(total))
    assert page.page == max(page.total_pages, 1)


@given(counts, sizes, st.integers(1, 10_000))
def test_no_page_names_a_neighbour_that_does_not_exist(total: int, per_page: int, number: int) -> None:
    page = NumberedPage(total=total, page=number, per_page=per_page)

    for neighbour in (page.next_page, page.prev_page):
        assert neighbour is None or 1 <= neighbour <= page.total_pages
    assert page.prev_page is None or page.prev_page < number


def test_an_empty_list_has_no_pages_and_no_neighbours() -> None:
    page = NumberedPage(total=0, page=1, per_page=10)

    assert (page.total_pages, page.has_more, page.next_page, page.prev_page) == (0, False, None, None)


def test_a_page_behind_the_last_leads_back_to_it() -> None:
    page = NumberedPage(total=25, page=9, per_page=10)

    assert (page.has_more, page.next_page, page.prev_page) == (False, None, 3)


@example(page=101, per_page=DEEPEST_OFFSET // 100)
@example(page=102, per_page=DEEPEST_OFFSET // 100)
@given(page=st.integers(1, 200), per_page=sizes)
def test_the_offset_is_the_number_of_rows_before_the_page(page: int, per_page: int) -> None:
    before = (page - 1) * per_page

    if before > DEEPEST_OFFSET:
        with pytest.raises(InvalidParams, match="narrow the search"):
            offset_of(page, per_page)
    else:
        assert offset_of(page, per_page) == before


@pytest.mark.parametrize("page", [0, -1, -(10**12)])
def test_there_is_no_page_before_the_first(page: int) -> None:
    with pytest.raises(InvalidParams, match="page: must be at least 1"):
        offset_of(page, 10)


@pytest.mark.parametrize(
    "members",
    [
        {"has_more": False},
        {"has_more": False, "total": 3, "total_unknown": "too many to count"},
        {"has_more": False, "total": 3, "next_cursor": "abc"},
        {"has_more": False, "total": -1},
        {"has_more": False, "total": 3, "pages": 1},
    ],
)
def test_a_page_that_contradicts_itself_cannot_be_made(members: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Page(**members)


def test_an_unknown_total_is_left_out_and_the_reason_said() -> None:
    page = Films(total_unknown="counting takes too long", has_more=True, next_cursor="abc", items=["Dune"])

    assert wire(page) == {
        "total_unknown": "counting takes too long",
        "has_more": True,
        "next_cursor": "abc",
        "items": ["Dune"],
    }


@pytest.mark.parametrize(
    "page", [Films(total=1, has_more=False, items=["Dune"]), Shelf(total=1, page=1, per_page=5, items=[])]
)
def test_a_page_can_be_read_back_from_what_is_sent(page: Page | NumberedPage) -> None:
    assert type(page).model_validate(wire(page)) == page


def test_a_page_adds_little_to_an_output_schema() -> None:
    async def list_films(params: NoParams, call: Any) -> Films:
        """List films."""
        raise NotImplementedError

    list_films.__annotations__ = {"params": NoParams, "call": Any, "return": Films}
    schema = capability("list_films", list_films).output_schema

    assert schema is not None
    assert list(schema["properties"]) == ["total", "total_unknown", "has_more", "next_cursor", "items", "prev_cursor"]
    assert schema["required"] == ["has_more", "items"]
    assert schema["additionalProperties"] is False


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
query_lists = st.lists(st.tuples(texts, texts), max_size=6)
paths = texts.map(lambda text: f"/api/v1/{text}")
pages = st.one_of(
    st.fixed_dictionaries({}, optional={"next_cursor": st.text("abc_-", min_size=1), "prev_cursor": st.just("back")}),
    st.builds(
        lambda total, per_page, page: wire(NumberedPage(total=total, per_page=per_page, page=page)),
        counts,
        sizes,
        st.integers(1, 60),
    ),
)


def parse_link_header(header: str) -> dict[str, str]:
    """Read a Link header as RFC 8288, section 3 writes it: `<URI-Reference>; rel="…"`, separated by commas."""
    return {rel: url for url, rel in re.findall(r'<([^<>"\s]*)>\s*;\s*rel="([a-z]+)"(?:,\s*|$)', header)}


@given(pages, paths, query_lists)
def test_the_link_header_has_exactly_the_links_of_the_body(
    page: dict[str, Any], path: str, query: list[tuple[str, str]]
) -> None:
    links = links_of(page, path, query)

    header = link_header(links)

    assert parse_link_header(header) == links.model_dump(exclude_none=True)
    assert header.isascii()
    assert header.isprintable()


@given(pages, paths, query_lists)
def test_links_keep_the_path_and_every_other_parameter(
    page: dict[str, Any], path: str, query: list[tuple[str, str]]
) -> None:
    name = "page" if "page" in page else "cursor"
    others = [(key, value) for key, value in query if key != name]

    for rel, url in links_of(page, path, query).model_dump(exclude_none=True).items():
        parts = urlsplit(url)
        assert unquote(parts.path, errors="strict") == path
        assert (parts.scheme, parts.netloc, parts.fragment) == ("", "", "")
        sent = parse_qsl(parts.query, keep_blank_values=True)
        assert sent == query if rel == "self" else [pair for pair in sent if pair[0] != name] == others


def test_links_of_a_list_followed_by_cursor() -> None:
    page = wire(Films(total=90, has_more=True, next_cursor="n-1", prev_cursor="p-1", items=[]))

    assert links_of(page, "/api/v1/search", [("q", "amélie & co"), ("cursor", "here"), ("limit", "20")]) == Links(
        self="/api/v1/search?q=am%C3%A9lie%20%26%20co&cursor=here&limit=20",
        first="/api/v1/search?q=am%C3%A9lie%20%26%20co&limit=20",
        prev="/api/v1/search?q=am%C3%A9lie%20%26%20co&limit=20&cursor=p-1",
        next="/api/v1/search?q=am%C3%A9lie%20%26%20co&limit=20&cursor=n-1",
    )


def test_the_first_and_only_page_links_to_itself_alone() -> None:
    assert link_header(links_of({"has_more": False}, "/api/v1/titles", [])) == (
        '</api/v1/titles>; rel="self", </api/v1/titles>; rel="first"'
    )


def test_links_of_a_numbered_list() -> None:
    page = wire(Shelf(total=41, page=2, per_page=10, items=[]))

    assert links_of(page, "/shelf", [("page", "2"), ("genre", "drama"), ("genre", "war")]) == Links(
        self="/shelf?page=2&genre=drama&genre=war",
        first="/shelf?genre=drama&genre=war&page=1",
        prev="/shelf?genre=drama&genre=war&page=1",
        next="/shelf?genre=drama&genre=war&page=3",
        last="/shelf?genre=drama&genre=war&page=5",
    )


def test_an_empty_numbered_list_has_a_first_page_and_no_last() -> None:
    links = links_of(wire(NumberedPage(total=0, page=1, per_page=10)), "/shelf", [])

    assert links == Links(self="/shelf", first="/shelf?page=1")


def test_a_request_cannot_write_its_own_link_header() -> None:
    links = links_of({}, '/a>; rel="next"\r\nSet-Cookie: x', [("q", '1>; rel="last", <//evil.example')])

    header = link_header(links)

    assert list(parse_link_header(header)) == ["self", "first"]
    assert "\r" not in header
    assert '"last"' not in header
