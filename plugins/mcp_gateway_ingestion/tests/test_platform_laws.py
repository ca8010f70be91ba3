"""What holds of every normalizer, whatever it is given: it never fails, says the same twice, and lists are sets.

`PLATFORM_EXAMPLES=100000` in the environment runs as many cases as a release is tested with, each on every normalizer.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_gateway.catalog.platforms import OfferFacts, PlatformNormalizer, PlatformRecord, Rejected, Sighting
from mcp_gateway_ingestion.platforms import BUILT_IN
from mcp_gateway_ingestion.tests.golden import goldens

EXAMPLES = int(os.environ.get("PLATFORM_EXAMPLES", "150"))
SEEN = Sighting(observed_at=datetime(2026, 3, 1, tzinfo=UTC), region="US")
PAYLOADS = [golden.payload for normalizer in BUILT_IN for golden in goldens(normalizer.key)]
BILLED = frozenset({"cast", "credits", "directors", "significants", "actors", "writers"})
SHOWS = frozenset({"streamingInfo", "streamingOptions"})
NUMBERED = frozenset({"seasons", "episodes"})

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", "0", "1", "US", "us", "movie", "2026-02-30", "2026-12-31", "9" * 40, "\ud800", "\0", "[''"])
)
FIELDS = sorted({field for payload in PAYLOADS if isinstance(payload, dict) for field in payload})
keys = st.text(max_size=8) | st.sampled_from(FIELDS)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5), max_leaves=12
)
often = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


@often
@given(json_values)
def test_any_json_gives_a_record_or_a_reason(payload: Any) -> None:
    check_all(payload)


@often
@given(st.sampled_from(PAYLOADS), st.lists(st.tuples(st.integers(0, 10**6), json_values), min_size=1, max_size=3))
def test_a_payload_with_anything_in_it_replaced_gives_a_record_or_a_reason(
    payload: Any, changes: list[tuple[int, Any]]
) -> None:
    """Replaced within a real shape, strange values get further than at the front door."""
    for place, value in changes:
        payload = replaced(payload, place, value)
    check_all(payload)


@often
@given(st.sampled_from(PAYLOADS), st.integers(0, 10**6), json_values, st.randoms(use_true_random=False))
def test_the_order_of_lists_and_fields_does_not_matter(payload: Any, place: int, value: Any, random: Random) -> None:
    payload = replaced(payload, place, value)
    other = shuffled(payload, random)

    for normalizer in BUILT_IN:
        assert normalizer.normalize(other, SEEN) == normalizer.normalize(payload, SEEN)


def check_all(payload: Any) -> None:
    """What each normalizer makes of a payload is a record or a rejection, and the payload is as it was."""
    before = repr(payload)
    for normalizer in BUILT_IN:
        check(normalizer, payload)
    assert repr(payload) == before


def check(normalizer: PlatformNormalizer, payload: Any) -> None:
    """A record or a rejection, and the same the second time."""
    result = normalizer.normalize(payload, SEEN)
    assert normalizer.normalize(payload, SEEN) == result
    if isinstance(result, Rejected):
        assert 0 < len(result.reason) <= 500
        return
    assert isinstance(result, PlatformRecord)
    assert all(len(unknown.value) <= 200 for unknown in result.unknown)
    assert len({title.key for title in result.titles}) == len(result.titles)
    for title in result.titles:
        assert title.key
        assert title.facts.name
        repr(title).encode()  # no half of a character that no database keeps
        assert "\0" not in repr(title)
        for offer in title.offers:
            check_offer(normalizer, offer)


def check_offer(normalizer: PlatformNormalizer, offer: OfferFacts) -> None:
    """Nothing that an offer must never say."""
    assert offer.region is None or (len(offer.region) == 2 and offer.region.isupper())
    assert (offer.price_minor is None) == (offer.currency is None)
    assert offer.price_minor is None or offer.price_minor >= 0
    assert offer.valid_from is None or offer.valid_until is None or offer.valid_from < offer.valid_until
    assert offer.link is None or offer.link.split("/")[2] in normalizer.link_hosts


def replaced(payload: Any, place: int, value: Any) -> Any:
    """The payload with the value at some place in it replaced."""
    places = list(paths(payload))
    return with_value(payload, places[place % len(places)], value)


def paths(value: Any) -> list[tuple[Any, ...]]:
    """Where values are, from the outermost to the innermost."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(), *((key, *rest) for key, inner in items for rest in paths(inner))]


def with_value(payload: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy in which another value stands at a place."""
    if not path:
        return value
    made = dict(payload) if isinstance(payload, dict) else list(payload)
    made[path[0]] = with_value(payload[path[0]], path[1:], value)
    return made


def shuffled(value: Any, random: Random) -> Any:
    """The value with its lists and fields in another order, but for people: theirs is the billing.

    Of Streaming Availability also but for seasons and episodes, which have no other number than their place.
    """
    if isinstance(value, dict):
        kept = BILLED | NUMBERED if value.keys() & SHOWS else BILLED
        items = [(k, v if k in kept else shuffled(v, random)) for k, v in value.items()]
        random.shuffle(items)
        return dict(items)
    if isinstance(value, list):
        return random.sample([shuffled(item, random) for item in value], len(value))
    return value
