"""The vectors on disk: what is nearest, what other processes see, and what a killed one leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mcp_gateway.catalog.derived import DerivedFolder
from mcp_gateway.catalog.models import TitleId
from mcp_gateway_search.semantic import vectors
from mcp_gateway_search.semantic.embedder import hash_of
from mcp_gateway_search.semantic.vectors import Described, VectorStore

WIDTH = 8
AXES: NDArray[np.float32] = np.eye(WIDTH, dtype=np.float32)


def store_in(folder: Path, *, axes: int = 0) -> VectorStore:
    """A store, with a title `tt0`, `tt1` … on each of the first axes."""
    store = VectorStore(DerivedFolder(folder, "catalogue", layout=1), WIDTH)
    store.folder.path.mkdir(parents=True, exist_ok=True)
    if axes:
        put(store, [f"tt{number}" for number in range(axes)], AXES[:axes])
        store.publish(axes)
    store.refresh()
    return store


def put(store: VectorStore, ids: list[str], rows: NDArray[np.float32]) -> None:
    """Give titles texts that are called as they are, with these vectors."""
    texts = [hash_of(title_id) for title_id in ids]
    store.add(texts, rows)
    store.assign((TitleId(title_id), Described(text, 50)) for title_id, text in zip(ids, texts, strict=True))


def toward(*weights: float) -> NDArray[np.float32]:
    """A vector of length one in a direction given by its first numbers."""
    vector = np.zeros(WIDTH, np.float32)
    vector[: len(weights)] = weights
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def test_the_closest_comes_first(tmp_path: Path) -> None:
    store = store_in(tmp_path, axes=4)

    assert store.nearest(toward(0.1, 0.5, 0.9), 3) == ["tt2", "tt1", "tt0"]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_eight_bits_are_enough_to_tell_what_is_clearly_closer(seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(50, 384)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    scale = np.abs(rows).max(axis=1, keepdims=True) / 127

    kept = np.rint(rows / scale).astype(np.int8) * scale

    assert np.abs(kept @ rows.T - rows @ rows.T).max() < 0.01


def test_of_titles_nearly_as_close_the_better_known_comes_first(tmp_path: Path) -> None:
    store = store_in(tmp_path, axes=3)
    store.assign([(TitleId("tt1"), Described(hash_of("tt1"), 100))])
    store.refresh()

    assert store.nearest(toward(0.71, 0.70), 2) == ["tt1", "tt0"]
    assert store.nearest(toward(0.8, 0.6), 2) == ["tt0", "tt1"]


def test_another_process_sees_what_was_added(tmp_path: Path) -> None:
    reader, writer = store_in(tmp_path), store_in(tmp_path)

    put(writer, ["tt7"], AXES[7:])
    reader.refresh()

    assert reader.nearest(AXES[7], 5) == ["tt7"]


def test_titles_of_one_text_share_a_vector(tmp_path: Path) -> None:
    store = store_in(tmp_path, axes=2)

    store.assign([(TitleId("tt9"), Described(hash_of("tt0"), 50))])
    store.refresh()

    assert store.nearest(AXES[0], 2) == ["tt0", "tt9"]


def test_a_title_is_found_by_its_last_text_only(tmp_path: Path) -> None:
    store = store_in(tmp_path, axes=3)

    store.assign([(TitleId("tt0"), Described(hash_of("tt2"), 50)), (TitleId("tt1"), None)])
    store.refresh()

    assert store.nearest(AXES[0], 5) == ["tt2", "tt0"]
    assert not store.has(hash_of("tt0"))


def test_ids_may_have_any_characters(tmp_path: Path) -> None:
    odd = 'a b\n"c"\u2028d'
    store = store_in(tmp_path)

    put(store, [odd], AXES[:1])
    store.refresh()

    assert store.nearest(AXES[0], 1) == [odd]


def test_what_a_killed_process_left_half_written_is_cut_off(tmp_path: Path) -> None:
    store = store_in(tmp_path, axes=2)
    for name in ("vectors.bin", "titles.log"):
        with (store.folder.path / name).open("ab") as file:
            file.write(b"half")

    again = store_in(tmp_path)
    again.mend()
    put(again, ["tt5"], AXES[5:6])
    again.refresh()

    assert again.nearest(AXES[5], 1) == ["tt5"]
    assert again.titles == 3


@pytest.mark.parametrize("how", ["removed", "shortened"])
def test_lost_vectors_are_made_anew(tmp_path: Path, how: str) -> None:
    path = store_in(tmp_path, axes=3).folder.path / "vectors.bin"
    if how == "removed":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:40])

    store = store_in(tmp_path)
    assert store.revision == 0
    store.mend()

    assert not store.has(hash_of("tt0"))
    put(store, ["tt0"], AXES[:1])
    store.refresh()
    assert store.nearest(AXES[0], 5) == ["tt0"]


def test_a_damaged_manifest_means_that_nothing_is_known_to_be_done(tmp_path: Path) -> None:
    store = store_in(tmp_path, axes=1)
    (store.folder.path / "manifest.json").write_text("[]")

    assert store.revision == 0


def test_vectors_that_no_title_has_are_removed_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_FEW", 0)
    store, reader = store_in(tmp_path, axes=5), store_in(tmp_path)
    store.assign((TitleId(f"tt{number}"), Described(hash_of("tt4"), 50)) for number in range(4))
    store.refresh()

    store.compact()
    reader.refresh()

    assert len(store) == len(reader) == 1
    assert sorted(reader.nearest(AXES[4], 9)) == ["tt0", "tt1", "tt2", "tt3", "tt4"]
    assert store.revision == 5
