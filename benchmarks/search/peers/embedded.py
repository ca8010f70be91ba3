"""Engines that run in the process that asks: SQLite FTS5, tantivy, symspellpy before tantivy, and rapidfuzz.

Each is used as well as an afternoon allows: an equal name comes first, popularity has a say, and what finds nothing is
tried again with errors allowed.
"""

from __future__ import annotations

import importlib
import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

from rapidfuzz import fuzz, process
from tantivy import Document, Index, Occur, Query, SchemaBuilder

from mcp_gateway.catalog.models import normalise_name

from .entries import LIMIT, Ask, Entries, Peer, first_ten

INSTALLED = Path(__file__).resolve().parents[3] / ".cache/benchmarks/search"
# How much a name, another name, a person and the rest count.
WEIGHTS = {"name": 20.0, "others": 10.0, "people": 3.0, "rest": 1.0}
POPULARITY = 4.0


async def build_fts5(folder: Path, entries: Entries) -> Ask:
    """All words with BM25; when no title has them, names that share most letter trigrams."""
    base = sqlite3.connect(folder / "fts5.sqlite3")
    base.execute("CREATE VIRTUAL TABLE titles USING fts5(name, others, people, rest, id UNINDEXED, pop UNINDEXED)")
    rows = ((e.name, e.others, e.people, e.rest, e.id, e.popularity) for e in entries.titles)
    base.executemany("INSERT INTO titles VALUES (?, ?, ?, ?, ?, ?)", rows)
    base.execute("CREATE VIRTUAL TABLE names USING fts5(name, ids UNINDEXED, tokenize='trigram')")
    base.executemany("INSERT INTO names VALUES (?, ?)", ((n, json.dumps(k.ids)) for n, k in entries.names.items()))
    for table in ("titles", "names"):
        base.execute(f"INSERT INTO {table}({table}) VALUES ('optimize')")
    base.commit()
    weights = ", ".join(map(str, WEIGHTS.values()))
    by_words = (
        "SELECT id FROM titles WHERE titles MATCH ? "
        f"ORDER BY name = ? DESC, bm25(titles, {weights}) * (1 + {POPULARITY} * pop) LIMIT {LIMIT}"
    )
    by_letters = f"SELECT ids FROM names WHERE names MATCH ? ORDER BY bm25(names) LIMIT {LIMIT}"

    async def ask(query: str) -> list[str]:
        text = normalise_name(query)
        words = " ".join(f'"{word}"' for word in text.split())
        if not words:
            return []
        found = [str(row[0]) for row in base.execute(by_words, (words, text))]
        trigrams = " OR ".join(f'"{text[i : i + 3]}"' for i in range(len(text) - 2))
        if found or not trigrams:
            return found
        return first_ten([json.loads(row[0]) for row in base.execute(by_letters, (trigrams,))])

    return ask


class _Tantivy:
    """An index of tantivy, asked with terms alone."""

    def __init__(self, folder: Path, entries: Entries) -> None:
        self._schema = (
            SchemaBuilder().add_text_field("id", stored=True, tokenizer_name="raw")
            .add_text_field("whole", tokenizer_name="raw", index_option="basic").add_text_field("name")
            .add_text_field("others").add_text_field("people").add_text_field("rest")
            .add_float_field("weight", fast=True).build()
        )  # fmt: skip
        index = Index(self._schema, path=str(folder))
        writer = index.writer(200_000_000, 1)
        for entry in entries.titles:
            facts = {"id": entry.id, "whole": entry.name, "weight": 1.0 + POPULARITY * entry.popularity}
            facts |= {name: getattr(entry, name) for name in WEIGHTS}
            writer.add_document(Document.from_dict(facts, self._schema))
        writer.commit()
        writer.wait_merging_threads()
        index.reload()
        self._searcher = index.searcher()

    def ask(self, text: str) -> list[str]:
        """All words; else all with errors; else any."""
        if not text:
            return []
        return (
            self._find(text, Occur.Must) or self._find(text, Occur.Must, fuzzy=True) or self._find(text, Occur.Should)
        )

    def _find(self, text: str, occur: Occur, *, fuzzy: bool = False) -> list[str]:
        words = [(occur, self._word(word, _edits(word) if fuzzy else 0)) for word in text.split()]
        whole = Query.boost_query(Query.term_query(self._schema, "whole", text), 100.0)
        query = Query.boolean_query([(Occur.Must, Query.boolean_query(words)), (Occur.Should, whole)])
        hits = self._searcher.search(query, LIMIT, count=False, weight_by_field="weight").hits
        return [str(self._searcher.doc(address).get_first("id")) for _, address in hits]

    def _word(self, word: str, edits: int) -> Query:
        fields = {name: weight for name, weight in WEIGHTS.items() if not edits or name != "rest"}
        return Query.disjunction_max_query(
            [Query.boost_query(self._term(name, word, edits), weight) for name, weight in fields.items()], 0.1
        )

    def _term(self, name: str, word: str, edits: int) -> Query:
        if edits:
            return Query.fuzzy_term_query(self._schema, name, word, edits)
        return Query.term_query(self._schema, name, word)


def _edits(word: str) -> int:
    return 0 if len(word) < 3 else 1 if len(word) < 6 else 2


async def build_tantivy(folder: Path, entries: Entries) -> Ask:
    """All words with BM25; when no title has them, words with errors; when none, any of the words."""
    index = _Tantivy(folder, entries)

    async def ask(query: str) -> list[str]:
        return index.ask(normalise_name(query))

    return ask


async def build_symspell(folder: Path, entries: Entries) -> Ask:
    """symspellpy corrects words that no title has, over a dictionary of all names; tantivy finds the rest."""
    site = next((INSTALLED / "lib").glob("python3*/site-packages"))
    sys.path.append(str(site))  # behind everything else: only what is nowhere else comes from there
    speller: Any = importlib.import_module("symspellpy").SymSpell(max_dictionary_edit_distance=2)
    counts: dict[str, int] = {}
    known: set[str] = set()
    for text, name in entries.names.items():
        for word in text.split():
            counts[word] = counts.get(word, 0) + 1 + int(1000 * name.popularity)
    for entry in entries.titles:
        known.update(entry.rest.split())
    known.update(counts)
    for word, count in counts.items():
        speller.create_dictionary_entry(word, count)
    index = _Tantivy(folder, entries)

    async def ask(query: str) -> list[str]:
        text = normalise_name(query)
        if text and not all(word in known for word in text.split()):
            text = speller.lookup_compound(text, max_edit_distance=2)[0].term
        return index.ask(text)

    return ask


async def build_rapidfuzz(folder: Path, entries: Entries) -> Ask:
    """Every name compared with the query, the nearest first."""
    del folder
    texts = list(entries.names)
    names = list(entries.names.values())

    async def ask(query: str) -> list[str]:
        found = process.extract(normalise_name(query), texts, scorer=fuzz.ratio, limit=50, score_cutoff=50)
        ranked = sorted(found, key=lambda one: -(one[1] + (10 * names[one[2]].popularity if one[1] < 100 else 50)))
        return first_ten([names[place].ids for _, _, place in ranked])

    return ask


EMBEDDED = (
    Peer("SQLite FTS5", build_fts5),
    Peer("tantivy", build_tantivy),
    Peer("symspellpy+tantivy", build_symspell),
    Peer("rapidfuzz", build_rapidfuzz),
)
