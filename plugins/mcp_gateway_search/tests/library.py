"""A hand-written catalogue for questions: names that look like mistakes, people of several titles, all the facets."""

from __future__ import annotations

from mcp_gateway.catalog.models import OfferKind
from mcp_gateway_search.tests.world import FILMS, OFFERS, offer, title

# Every one of them looks like a typing error, a word of a question, or nothing.
ODD_NAMES = ["Se7en", "Ratatouille", "Tenet", "Up", "WALL·E", "M", "2001: A Space Odyssey", "Ran", "Pi", "It", "Her"]

LIBRARY = [
    *FILMS,
    *(title(f"tt10000{number:02}", name, 1990 + number, popularity=60) for number, name in enumerate(ODD_NAMES)),
    title("tt0076759", "Star Wars", 1977, popularity=98, genres=("Science Fiction", "Adventure"),
          cast=["Mark Hamill", "Harrison Ford"], directors=["George Lucas"], rating=8.6, certification="PG",
          runtime_minutes=121, original_language="en", countries=("US",)),
    title("tt0145487", "Spider-Man", 2002, popularity=90, genres=("Action",), cast=["Tobey Maguire"],
          directors=["Sam Raimi"], certification="PG-13", runtime_minutes=121, rating=7.4, original_language="en"),
    title("tt0083944", "First Blood", 1982, popularity=82, genres=("Action",), cast=["Sylvester Stallone"],
          certification="R", runtime_minutes=93, rating=7.7, original_language="en"),
    title("tt0111257", "Speed", 1994, popularity=86, genres=("Action", "Thriller"), rating=7.3, runtime_minutes=116,
          cast=["Keanu Reeves", "Sandra Bullock"], certification="R", original_language="en"),
    title("tt0360486", "Constantine", 2005, popularity=84, genres=("Horror", "Action"), rating=7.0,
          cast=["Keanu Reeves"], runtime_minutes=121, certification="R", original_language="en"),
    title("tt2911666", "John Wick", 2014, popularity=93, genres=("Action",), cast=["Keanu Reeves"], rating=7.5,
          runtime_minutes=101, certification="R", original_language="en",
          overview="A retired killer takes revenge on the gangsters who killed his dog."),
    title("tt0078748", "Alien", 1979, popularity=93, genres=("Horror", "Science Fiction"), cast=["Sigourney Weaver"],
          directors=["Ridley Scott"], rating=8.5, runtime_minutes=117, certification="R", original_language="en",
          keywords=("extraterrestrial",), overview="A crew meets a deadly creature from outer space."),
    title("tt0118276", "Buffy the Vampire Slayer", 1997, popularity=80, kind="series", genres=("Fantasy", "Drama"),
          rating=8.3, original_language="en"),
    title("tt0099685", "Goodfellas", 1990, popularity=95, genres=("Crime", "Drama"), directors=["Martin Scorsese"],
          cast=["Robert De Niro", "Ray Liotta"], rating=8.7, runtime_minutes=145, certification="R"),
    title("tt0113277", "Heat", 1995, popularity=92, genres=("Crime", "Thriller"), cast=["Al Pacino", "Robert De Niro"],
          directors=["Michael Mann"], rating=8.3, runtime_minutes=170, certification="R"),
    title("tt0098635", "When Harry Met Sally", 1989, popularity=85, genres=("Comedy", "Romance"), rating=7.7,
          directors=["Rob Reiner"], cast=["Billy Crystal", "Meg Ryan"], runtime_minutes=95, certification="R"),
]  # fmt: skip

LIBRARY_OFFERS = [
    *OFFERS,
    offer("tt0111257", "netflix", "US"),
    offer("tt2911666", "prime_video", "US", OfferKind.RENT),
    offer("tt0078748", "disney_plus", "GB"),
]
