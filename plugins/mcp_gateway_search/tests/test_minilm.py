"""The real model, of the extra `semantic` that `scripts/semantic.sh` installs. Skipped without it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from mcp_gateway.testing import call_tool, running_gateway
from mcp_gateway_search import plugin
from mcp_gateway_search.searching import ALIKE
from mcp_gateway_search.semantic import missing
from mcp_gateway_search.semantic.minilm import MiniLm, open_minilm
from mcp_gateway_search.tests.world import open_catalogue, title

EXTRA = Path(__file__).resolve().parents[3] / ".cache/semantic"

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not EXTRA.is_dir() and bool(missing()), reason="scripts/semantic.sh did not run"),
]


@pytest.fixture(scope="module", autouse=True)
def extra() -> Iterator[None]:
    """The extra is there, for these tests only: other gateways would go and use it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(EXTRA)])
        patch.setenv("PYTHONPATH", str(EXTRA), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> MiniLm:
    """The model, its graph just made."""
    return anyio.run(open_minilm, tmp_path_factory.mktemp("model"))


def test_texts_are_as_alike_as_the_model_card_says(model: MiniLm) -> None:
    """sentence-transformers/all-MiniLM-L6-v2, example of its model card: 0.695, 0.943, 0.257."""
    said, *others = model.embed(
        ["That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day"]
    )

    assert [float(said @ other) for other in others] == pytest.approx([0.695, 0.943, 0.257], abs=0.03)


def test_a_vector_does_not_depend_on_the_texts_beside_it(model: MiniLm) -> None:
    long = "He runs and runs. " * 100

    alone, beside = model.embed(["A short text"])[0], model.embed([long, "A short text", ""])[1]

    assert float(alone @ beside) == pytest.approx(1.0, abs=0.01)


async def test_the_graph_is_made_once(tmp_path: Path) -> None:
    await open_minilm(tmp_path)
    made = (tmp_path / "all-minilm-l6-v2.onnx").stat()

    await open_minilm(tmp_path)

    assert (tmp_path / "all-minilm-l6-v2.onnx").stat().st_mtime_ns == made.st_mtime_ns
    assert os.listdir(tmp_path) == ["all-minilm-l6-v2.onnx"]  # noqa: PTH208 - nothing half made is left
    assert made.st_size < 25_000_000


async def test_a_plot_told_in_other_words_is_found_through_the_tool(tmp_path: Path) -> None:
    plots = {
        "Jaws": "A great white terrorises swimmers at a summer resort, and the police chief goes hunting for it.",
        "Up": "A widower ties thousands of balloons to his house to see South America.",
        "Speed": "A young cop must keep a bus from slowing down, or its bomb goes off.",
    }
    async with open_catalogue(tmp_path) as catalog:
        await catalog.import_records(
            [title(f"tt{n}", name, 2000, overview=plot) for n, (name, plot) in enumerate(plots.items())]
        )
    (tmp_path / "catalogue.sqlite3").rename(tmp_path / "media-gateway.sqlite3")
    asked = {"query": "old pensioner whose wife died travels through the air in his flying home", "detail": "detailed"}

    async with running_gateway(plugin, data_dir=tmp_path, plugins={"search": {"semantic": True}}) as gateway:
        with anyio.fail_after(60):
            found = await call_tool(gateway, "search_titles", **asked)
            while ALIKE not in str(found):  # the job has no event for those outside
                await anyio.sleep(0.05)
                found = await call_tool(gateway, "search_titles", **asked)

    assert found["items"][0]["title"] == "Up"
