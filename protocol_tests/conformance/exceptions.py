"""The gaps of streamable HTTP that are still ours to close."""

from __future__ import annotations

from collections.abc import Mapping

# By test, or by test[case]: what is wrong. Each entry is a strict expected failure.
GAPS: Mapping[str, str] = {}
