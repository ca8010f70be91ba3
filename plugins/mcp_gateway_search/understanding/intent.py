"""What a query asks for, in one value: a name, a person, conditions with free words, or only words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .people import Mention
from .slots import Slots

QueryKind = Literal["browse", "name", "person", "question", "words"]


@dataclass(frozen=True, slots=True)
class Correction:
    """Words taken for others than were written.

    Attributes:
        text: What the query was taken for.
        reason: Why, in a few words.
    """

    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Understanding:
    """What a query means.

    Attributes:
        words: To be found; of a question those that are no condition, of a name all.
        person: Folded name, when the query is one.
        near: Names like the one written, likeliest first: their titles follow the best one's.
        confidence: From 0 to 1, how much of the query was understood.
        did_you_mean: Another way to take it, folded; None when there is no doubt.
        source: Who understood it: these rules, or a model.
    """

    kind: QueryKind
    words: tuple[str, ...]
    confidence: float
    slots: Slots = field(default_factory=Slots)
    people: tuple[Mention, ...] = ()
    person: str | None = None
    near: tuple[str, ...] = ()
    correction: Correction | None = None
    did_you_mean: str | None = None
    source: Literal["rules", "model"] = "rules"
