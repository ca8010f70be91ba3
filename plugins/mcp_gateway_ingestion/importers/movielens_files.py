"""The files of a MovieLens data set: films, with their links, ratings and tags put beside them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

import orjson

from mcp_gateway.api import InvalidParams

from ..csv_rows import CsvRows
from ..files import ByteFile
from ..lines import MAX_LINE_BYTES, Line

MAX_TAGS = 15
_MOVIES = re.compile(r"(.*?)movies\.csv(\.gz)?")
_ENDS = ("", ".gz")


def data_sets(path: Path) -> list[Path]:
    """The file with the films of each data set in a folder, `movies.csv` or `u.item`.

    Raises:
        InvalidParams: There is none.
    """
    folder = path if path.is_dir() else path.parent
    if path.is_file():
        found = [path]
    else:
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        found = [file for file in files if _MOVIES.fullmatch(file.name) or file.name in {"u.item", "u.item.gz"}]
    if not found:
        raise InvalidParams("path", f"{path} has neither movies.csv nor u.item in it")
    return found


def source_of(movies: Path) -> str:
    """The source that a data set is: each numbers or rates films in its own way."""
    if movies.name.startswith("u.item"):
        return "movielens-100k"
    name = f"{movies.resolve().parent.name}/{movies.name}"
    return "movielens-small" if "small" in name else "movielens"


class MovieLensFiles:
    """The films of a data set. What stands in the other files is held in memory: there are some 87,000 films."""

    def __init__(self, movies: Path) -> None:
        """Find the files.

        Args:
            movies: The file with the films; the others stand beside it, and their names begin like its.

        Raises:
            Unavailable: A file cannot be read.
            InvalidParams: A file does not have the columns that it should.
        """
        self.file = movies.name
        self.last_number = 0
        self.left_out: Mapping[str, int] = {}
        self._movies = movies
        self._films = _UItem(movies) if movies.name.startswith("u.item") else CsvRows(movies)
        self._links: dict[str, tuple[str, str]] = {}
        self._ratings: dict[str, tuple[float, int]] = {}
        self._tags: dict[str, Counter[str]] = {}

    @property
    def damage(self) -> str | None:
        """Why the file of films ended before its end."""
        return self._films.damage

    @property
    def total_bytes(self) -> int | None:
        """The size of the file of films."""
        return self._films.total_bytes

    @property
    def done_bytes(self) -> int:
        """How much of it has been read."""
        return self._films.done_bytes

    def close(self) -> None:
        """Close what is open."""
        self._films.close()

    def prepare(self) -> None:
        """Read the files beside the films."""
        if self._movies.name.startswith("u.item"):
            self._ratings = _means(_u_data(self._movies))
            return
        links = self._rows("links", "movieId", "imdbId", "tmdbId")
        self._links = {film: (imdb, tmdb) for film, imdb, tmdb in links}
        means = self._rows("average_ratings", "movieId", "avg_rating", "count")
        self._ratings = {film: (float(mean), int(count)) for film, mean, count in means if _are_numbers(mean, count)}
        if not self._ratings:
            self._ratings = _means((row[0], row[1]) for row in self._rows("ratings", "movieId", "rating"))
        for film, tag in self._rows("tags", "movieId", "tag"):
            self._tags.setdefault(film, Counter())[tag.strip()] += 1

    def read(self, at_most: int) -> list[Line]:
        """The next films, empty at the end."""
        lines = self._films.read(at_most)
        self.last_number = self._films.last_number
        return [self._with_more(line) for line in lines]

    def _with_more(self, line: Line) -> Line:
        if line.fault:
            return line
        film = orjson.loads(line.raw)
        key = film.get("movieId", "")
        imdb, tmdb = self._links.get(key, ("", ""))
        tags = self._tags.get(key, Counter())
        film |= {"imdb": imdb, "tmdb": tmdb, "rating": self._ratings.get(key)}
        film["tags"] = [tag for tag, _ in sorted(tags.items(), key=lambda item: (-item[1], item[0])) if tag][:MAX_TAGS]
        return Line(line.number, orjson.dumps({name: value for name, value in film.items() if value}), key=key or None)

    def _rows(self, what: str, *columns: str) -> Iterator[list[str]]:
        """The columns of a file beside the films; none when the file is not there."""
        file = self._beside(what)
        if file is None:
            return
        with CsvRows(file) as rows:
            missing = [name for name in columns if name not in rows.columns]
            if missing:
                raise InvalidParams("path", f"{file.name} has no column {missing[0]}")
            while lines := rows.read(5000):
                for row in (orjson.loads(line.raw) for line in lines if not line.fault):
                    yield [row[name] for name in columns]

    def _beside(self, what: str) -> Path | None:
        start = _MOVIES.fullmatch(self._movies.name)
        prefix = start[1] if start else ""
        folder = self._movies.parent
        exact = [folder / f"{prefix}{what}.csv{end}" for end in _ENDS]
        # Extracts are named for what they hold: `ratings_train.csv`.
        parts = sorted(folder.glob(f"{prefix}{what}_*.csv*"))
        return next((file for file in [*exact, *parts] if file.is_file()), None)


class _UItem:
    """The films of MovieLens 100k: bars between the columns, ISO 8859-1, genres as ones and noughts."""

    def __init__(self, path: Path) -> None:
        self.last_number = 0
        self.damage: str | None = None
        self._file = ByteFile(path)
        genres = _standing(path, "u.genre")
        self._genres = _u_genres(genres) if genres else []

    @property
    def total_bytes(self) -> int | None:
        return self._file.total_bytes

    @property
    def done_bytes(self) -> int:
        return self._file.done_bytes

    def close(self) -> None:
        self._file.close()

    def read(self, at_most: int) -> list[Line]:
        return list(islice(self._lines(), at_most))

    def _lines(self) -> Iterator[Line]:
        while line := self._file.line(MAX_LINE_BYTES):
            self.last_number += 1
            cells = line.decode("latin-1").rstrip("\r\n").split("|")
            if len(cells) < 5:
                yield Line(self.last_number, line, f"has {len(cells)} columns, not at least 5")
                continue
            flags = zip(self._genres, cells[5:], strict=False)
            genres = "|".join(genre for genre, flag in flags if flag == "1")
            film = {"movieId": cells[0], "title": cells[1], "released": cells[2], "genres": genres}
            yield Line(self.last_number, orjson.dumps(film))
        self.damage = self._file.damage


def _standing(beside: Path, name: str) -> Path | None:
    return next((path for end in _ENDS if (path := beside.with_name(f"{name}{end}")).is_file()), None)


def _u_genres(path: Path) -> list[str]:
    with ByteFile(path) as file:
        lines = iter(lambda: file.line(MAX_LINE_BYTES), b"")
        return [line.decode("latin-1").partition("|")[0] for line in lines if b"|" in line]


def _u_data(movies: Path) -> Iterator[tuple[str, str]]:
    path = _standing(movies, "u.data")
    if path is None:
        return
    with ByteFile(path) as file:
        while line := file.line(MAX_LINE_BYTES):
            cells = line.decode("latin-1").split("\t")
            if len(cells) >= 3:
                yield cells[1], cells[2]


def _means(ratings: Iterator[tuple[str, str]]) -> dict[str, tuple[float, int]]:
    """The mean and the number of ratings, by film."""
    sums: dict[str, list[float]] = {}
    for film, rating in ratings:
        if _are_numbers(rating):
            total = sums.setdefault(film, [0.0, 0])
            total[0] += float(rating)
            total[1] += 1
    return {film: (total / count, int(count)) for film, (total, count) in sums.items()}


def _are_numbers(*texts: str) -> bool:
    return all(text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit() for text in texts)
