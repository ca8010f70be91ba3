"""Says in a result how its query was understood."""

from __future__ import annotations

from typing import Any

from .cards import clip
from .models import QueryEcho
from .understanding.intent import Understanding
from .understanding.people import Mention

ECHO_CHARS = 200
_MOST_NAMED = 8


def echo(query: str, asked: Understanding, *, expansions: list[str], relaxed: bool) -> QueryEcho:
    """What was asked, and what it was taken for."""
    correction = asked.correction
    return QueryEcho(
        original=clip(query, ECHO_CHARS),
        corrected=clip(correction.text, ECHO_CHARS) if correction else None,
        why=clip(correction.reason, ECHO_CHARS) if correction else None,
        did_you_mean=clip(asked.did_you_mean, ECHO_CHARS) if asked.did_you_mean else None,
        expansions=expansions[:_MOST_NAMED] or None,
        intent=_intent(asked),
        relaxed=relaxed or None,
    )


def conditions_of(asked: Understanding) -> list[str]:
    """The conditions found in the query, as an explanation lists them."""
    told = _conditions(asked)
    return [f"{name.replace('_', ' ')} {_listed(value)}" for name, value in told.items()]


def offers_asked_for(asked: Understanding) -> str:
    """Where and how the query wants to watch, e.g. "platforms netflix; region US"."""
    told = _conditions(asked)
    named = [name for name in ("platforms", "region", "monetization") if name in told]
    return "; ".join(f"{name} {_listed(told[name])}" for name in named)


def _intent(asked: Understanding) -> dict[str, Any] | None:
    if asked.kind not in {"question", "person"}:
        return None
    told: dict[str, Any] = _conditions(asked)
    if asked.kind == "question" and asked.words:
        told["text"] = clip(" ".join(asked.words), ECHO_CHARS)
    return {**told, "confidence": round(asked.confidence, 2), "source": asked.source}


def _conditions(asked: Understanding) -> dict[str, Any]:
    slots = asked.slots
    numbers = slots.numbers
    told: dict[str, Any] = {
        "kinds": slots.kinds or (["movie"] if slots.kinds_implied else []),
        "genres": slots.genres,
        "moods": slots.moods,
        "people": _people(asked),
        "year_from": numbers.year_from,
        "year_to": numbers.year_to,
        "runtime_minutes_from": numbers.minutes_from,
        "runtime_minutes_to": numbers.minutes_to,
        "rating_from": numbers.rating_from,
        "certification": slots.certification,
        "languages": slots.languages,
        "countries": slots.countries,
        "platforms": slots.platforms,
        "region": slots.region,
        "monetization": slots.monetization,
    }
    return {name: value for name, value in told.items() if value not in (None, [])}


def _people(asked: Understanding) -> list[dict[str, str]]:
    if asked.person:
        return [{"name": clip(asked.person, 60)}]
    return [_person(mention) for mention in asked.people[:_MOST_NAMED]]


def _person(mention: Mention) -> dict[str, str]:
    named = {"name": clip(mention.name, 60)}
    return named if mention.role == "any" else {**named, "role": mention.role}


def _listed(value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    return ", ".join(str(one["name"] if isinstance(one, dict) else one) for one in values)
