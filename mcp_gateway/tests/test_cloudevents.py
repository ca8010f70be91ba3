"""CloudEvents in JSON."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.bus.bus import Envelope
from mcp_gateway.bus.cloudevents import decode, encode
from mcp_gateway.tests.test_bus import FILM, event

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
zones = st.builds(lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-14 * 60, 14 * 60))
envelopes = st.builds(
    Envelope,
    id=st.text(min_size=1),
    type=st.text(min_size=1),
    source=st.text(min_size=1),
    subject=st.text(),
    time=st.datetimes(datetime(1900, 1, 1), datetime(9000, 1, 1), timezones=zones),
    data=st.dictionaries(st.text(), json_values, max_size=5),
)


@given(envelopes)
def test_a_decoded_event_is_what_was_encoded(sent: Envelope) -> None:
    assert decode(encode(sent)) == sent


@given(st.binary() | json_values.map(orjson.dumps))
def test_decoding_anything_gives_an_event_or_a_value_error(message: bytes) -> None:
    with pytest.raises(ValueError):
        decode(message)


def test_an_encoded_event_has_the_attributes_that_cloudevents_requires() -> None:
    """CloudEvents 1.0.2, section "Required attributes"."""
    message = orjson.loads(encode(event(1)))

    assert message == {
        "specversion": "1.0",
        "id": "tt1:1",
        "source": "urn:test",
        "type": FILM,
        "subject": "tt1",
        "time": "2026-01-01T00:00:00.000000+00:00",
        "datacontenttype": "application/json",
        "data": {"number": 1},
    }
