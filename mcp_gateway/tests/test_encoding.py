"""Values to JSON: whatever a handler put into them, and encoded ahead."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.protocol.encoding import encode, encoded_twice

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(ANYTHING)
def test_what_is_encoded_ahead_reads_like_what_is_not(value: Any) -> None:
    data, text = encoded_twice(value)
    message = json.loads(encode({"structuredContent": data, "text": text}))

    assert message["structuredContent"] == json.loads(encode(value))
    assert message["text"] == encode(value).decode()


@pytest.mark.parametrize("value", [2**80, {"a": [2**80]}, "lone \ud800", [[[0]] * 3] * 300])
def test_what_the_fast_encoder_refuses_is_encoded_all_the_same(value: Any) -> None:
    data, text = encoded_twice(value)

    assert json.loads(json.loads(encode(text))) == json.loads(encode(data))


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes"])
def test_what_json_has_no_form_for_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode(value)
