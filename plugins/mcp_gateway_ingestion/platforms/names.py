"""What platforms write behind a title's name that is not part of it: `(4K UHD)`, `[dubbed]`, `(Hindi)`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from .regions import language_of

_LAST_BRACKETS = re.compile(r"(.+?)\s*[(\[]([^()\[\]]{1,40})[)\]]")
_FIRST_BRACKETS = re.compile(r"\((dub|sub)\)\s*(.+)", re.IGNORECASE)
_QUALITIES = {"4k uhd": "uhd", "4k": "uhd", "uhd": "uhd", "ultra hd": "uhd", "hd": "hd"}
_LANGUAGE = re.compile(r"(?:in |en )?([^\W\d_]{3,20})(?: (?:language|version|audio))?", re.IGNORECASE)
_DUBBED = re.compile(r"(?:([^\W\d_]{3,20}) )?(?:dub|dubbed)(?: version)?", re.IGNORECASE)
_SUBTITLED = re.compile(r"(?:with )?(?:([^\W\d_]{3,20}) )?(?:sub|subs|subbed|subtitled|subtitles)", re.IGNORECASE)


class NameParts(NamedTuple):
    """A name taken apart.

    Attributes:
        name: Without what is no part of it.
        audio, subtitles: BCP 47 tags that it names.
    """

    name: str
    quality: str | None = None
    audio: tuple[str, ...] = ()
    subtitles: tuple[str, ...] = ()


def parts_of(name: str) -> NameParts:
    """Take a name apart. Brackets that say something else, as in `Love Island (UK)`, stay."""
    if name[-1:] in {")", "]"} or name.startswith("("):
        return _taken_apart(name)
    return NameParts(name)


def _taken_apart(name: str) -> NameParts:
    first = _FIRST_BRACKETS.fullmatch(name)
    parts = NameParts(first[2] if first else name)
    while match := _LAST_BRACKETS.fullmatch(parts.name):
        read = _read(match[2], parts)
        if read is None:
            break
        parts = read._replace(name=match[1])
    return parts


def _read(inner: str, parts: NameParts) -> NameParts | None:
    """The parts with what brackets say added; None when they say something that belongs to the name."""
    quality = _QUALITIES.get(inner.lower())
    if quality:
        return parts._replace(quality=quality)
    if match := _DUBBED.fullmatch(inner):
        return _with_audio(parts, match[1], needed=False)
    if match := _SUBTITLED.fullmatch(inner):
        tag = _language_named(match[1]) if match[1] else None
        return None if match[1] and tag is None else parts._replace(subtitles=(tag,) if tag else parts.subtitles)
    match = _LANGUAGE.fullmatch(inner)
    return _with_audio(parts, match[1], needed=True) if match else None


def _with_audio(parts: NameParts, language: str | None, *, needed: bool) -> NameParts | None:
    tag = _language_named(language) if language else None
    if tag is None:
        return None if language or needed else parts
    return parts._replace(audio=(tag,))


@lru_cache(maxsize=256)
def _language_named(name: str) -> str | None:
    """The tag of a language by its name; not by its code, for `(war)` is no language here."""
    return language_of(name) if len(name) > 3 else None
