"""The tools of the Python peers, as plain functions: what `plugins/benchmark_tools` offers."""

import sys
from pathlib import Path
from typing import Annotated

from pydantic import Field

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "plugins/benchmark_tools"))

from models import ANSWER, OTHERS, Answer


async def echo(text: Annotated[str, Field(description="Comes back.")]) -> str:
    """Say it again."""
    return text


async def search(
    query: Annotated[str, Field(description="Words of the name, the plot or the people.")],
    genres: Annotated[list[str], Field(description="Any of these.")] = [],  # noqa: B006
    region: Annotated[str, Field(description="Two letters.")] = "US",
    limit: Annotated[int, Field(ge=1, le=100, description="Titles on a page.")] = 20,
) -> Answer:
    """Find titles by words, genre and region."""
    return ANSWER


def offered() -> list[tuple[str, str, object]]:
    """Name, description and function of each tool."""
    others = [(f"benchmark_{name}", text, search) for name, text in OTHERS.items()]
    return [("echo", "Say it again.", echo), ("search", "Find titles by words, genre and region.", search), *others]
