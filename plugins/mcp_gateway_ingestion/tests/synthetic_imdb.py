"""Writes a dump in the shape of IMDb's seven files, of invented titles and people: names recombined of common words.

Run with `python -m mcp_gateway_ingestion.tests.synthetic_imdb FOLDER [--titles N]`. The same number gives the same
files. One title in five is an episode of a series that stands before it.
"""

from __future__ import annotations

import argparse
import gzip
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

_WORDS = """
Ada Ben Cleo Dov Eve Finn Gil Hal Ida Jon Kit Lea Max Nia Oz Pia Quin Rex Sol Tea Una Vic Wes Xia Yan Zoe
Ash Berg Cole Dunn Falk Gray Holt Ives Jung Kerr Lund Moss Nash Orr Pike Reed Sand Toft Vale Wood York Zorn
Silent Golden Broken Last Hidden Northern Paper Crooked Burning Distant Second Hollow Iron Quiet Wild
River Harbour Lighthouse Winter Garden Mirror Orchard Station Letter Shadow Bridge Island Clock Window Road
Lisbon Osaka Tromso Quito Perth Cork Turin Basel Porto Gdansk Lima Accra Hanoi Leeds Bergen
Drama Comedy Action Thriller Romance Documentary Horror Crime Adventure Animation
"""
FIRST, LAST, ADJECTIVES, NOUNS, PLACES, GENRES = (line.split() for line in _WORDS.strip().splitlines())
KINDS = ("movie", "movie", "short", "tvSeries", "tvEpisode", "tvEpisode", "tvMovie", "video", "tvMiniSeries")
HEADERS = {
    "title.basics": "tconst titleType primaryTitle originalTitle isAdult startYear endYear runtimeMinutes genres",
    "title.ratings": "tconst averageRating numVotes",
    "title.crew": "tconst directors writers",
    "title.principals": "tconst ordering nconst category job characters",
    "title.akas": "titleId ordering title region language types attributes isOriginalTitle",
    "title.episode": "tconst parentTconst seasonNumber episodeNumber",
    "name.basics": "nconst primaryName birthYear deathYear primaryProfession knownForTitles",
}
NULL = "\\N"


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--titles", type=int, default=1_000_000)
    given = parser.parse_args()
    write(given.folder, given.titles)


def write(folder: Path, titles: int) -> None:
    """Write the seven files, sorted as the official ones are."""
    folder.mkdir(parents=True, exist_ok=True)
    luck = random.Random(titles)  # noqa: S311 - no secret
    people = max(10, titles // 2)
    with ExitStack() as stack:
        files = {name: stack.enter_context(_opened(folder, name)) for name in HEADERS}
        for number in range(people):
            _row(files["name.basics"], _person(number), _name(luck), luck.randrange(1900, 2005), NULL, "actor", NULL)
        series: list[str] = []
        for number in range(titles):
            _write_title(files, luck, number, series, people)


def _write_title(files: dict[str, IO[str]], luck: random.Random, number: int, series: list[str], people: int) -> None:
    key, kind, year = _title(number), luck.choice(KINDS), luck.randrange(1920, 2026)
    if kind == "tvEpisode" and series:
        parent = luck.choice(series[-5000:])
        _row(files["title.episode"], key, parent, luck.randrange(1, 9), luck.randrange(1, 25))
    elif kind == "tvEpisode":
        kind = "movie"
    if kind in {"tvSeries", "tvMiniSeries"}:
        series.append(key)
    name = " ".join(_words(luck))
    genres = ",".join(sorted(luck.sample(GENRES, luck.randrange(1, 4))))
    _row(files["title.basics"], key, kind, name, name, 0, year, NULL, luck.randrange(20, 180), genres)
    if luck.random() < 0.15:
        _row(files["title.ratings"], key, luck.randrange(10, 100) / 10, int(10 ** (luck.random() * 6)))
    _row(files["title.crew"], key, _person(luck.randrange(people)), _person(luck.randrange(people)))
    for place in range(1, luck.randrange(2, 9)):
        role = '["' + luck.choice(FIRST) + '"]' if place < 5 else NULL
        category = "actor" if place < 5 else "producer"
        _row(files["title.principals"], key, place, _person(luck.randrange(people)), category, NULL, role)
    if kind != "tvEpisode":
        for place in range(1, luck.randrange(1, 5)):
            other = f"{name} {luck.choice(PLACES)}"
            _row(files["title.akas"], key, place, other, luck.choice(("DE", "FR", "JP")), NULL, "imdbDisplay", NULL, 0)


def _words(luck: random.Random) -> Iterator[str]:
    yield f"The {luck.choice(ADJECTIVES)}"
    yield luck.choice(NOUNS)
    if luck.random() < 0.7:
        yield f"of {luck.choice(PLACES)}"
    if luck.random() < 0.5:
        yield str(luck.randrange(2, 400))


def _name(luck: random.Random) -> str:
    return f"{luck.choice(FIRST)} {luck.choice(FIRST)[0]}{luck.choice(LAST).lower()} {luck.choice(LAST)}"


def _title(number: int) -> str:
    return f"tt{number + 1:07}"


def _person(number: int) -> str:
    return f"nm{number + 1:07}"


def _opened(folder: Path, name: str) -> IO[str]:
    path = folder / f"{name}.tsv.gz"
    file = gzip.open(path, "wt", encoding="utf-8", compresslevel=1)  # noqa: SIM115 - whoever asked closes it
    _row(file, *HEADERS[name].split())
    return file


def _row(file: IO[str], *cells: object) -> None:
    file.write("\t".join(map(str, cells)) + "\n")


if __name__ == "__main__":
    main()
