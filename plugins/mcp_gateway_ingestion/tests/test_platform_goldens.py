"""The golden corpus: what is made of payloads in the shapes of the platforms, field by field."""

from __future__ import annotations

import copy

import pytest

from mcp_gateway.catalog.platforms import PlatformNormalizer
from mcp_gateway_ingestion.platforms import BUILT_IN
from mcp_gateway_ingestion.tests.golden import Golden, goldens, plain

NORMALIZERS = {normalizer.key: normalizer for normalizer in BUILT_IN}
CASES = [(normalizer, golden) for normalizer in BUILT_IN for golden in goldens(normalizer.key)]
LEAST = {"hbo_max": 50}


@pytest.mark.parametrize(("normalizer", "golden"), CASES, ids=[golden.name for _, golden in CASES])
def test_a_payload_gives_the_expected_result(normalizer: PlatformNormalizer, golden: Golden) -> None:
    before = copy.deepcopy(golden.payload)

    result = normalizer.normalize(golden.payload, golden.seen)

    assert plain(result) == golden.expected
    assert golden.payload == before


@pytest.mark.parametrize("key", sorted(NORMALIZERS))
def test_the_corpus_of_a_platform_is_large_enough_and_holds_two_generations(key: str) -> None:
    names = {golden.name.partition("/")[2] for golden in goldens(key)}

    assert len(names) >= LEAST.get(key, 20)
    assert {"v2-open-ended", "v4-film", "jw-graphql", "jw-film"} <= names
