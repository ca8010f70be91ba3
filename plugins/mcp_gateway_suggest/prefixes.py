"""Which beginnings exist: a Bloom filter that tells, of all texts one error away, which are worth looking up.

A query of eight letters has some 400 texts one error away, hardly ten of which begin a key. The hash is a weighted sum
of the letters, so that the hash of a text with one letter put in or replaced takes one addition.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableSequence, Sequence
from operator import mul

# Beginnings up to this length are kept: behind them so few keys are left that each can be looked at.
HEAD_CHARS = 10
# Two probes into so many bits a key let some 2 % of the texts pass that begin nothing.
BITS_PER_KEY = 48

_MASK = (1 << 64) - 1
_WEIGHTS = tuple(pow(0x9E3779B97F4A7C15, power, 1 << 64) for power in range(1, HEAD_CHARS + 2))
_OTHER = 0xD6E8FEB86659FD93

# Errors of the ear that are more than one letter.
SOUNDS = (("ph", "f"), ("ks", "x"), ("kw", "qu"), ("oo", "u"), ("ie", "y"), ("ee", "i"), ("ck", "q"), ("sh", "ti"))


def hash_of(head: str) -> int:
    """The hash of a beginning."""
    total: int = sum(map(mul, map(ord, head), _WEIGHTS))
    return total & _MASK


def bits_for(keys: int) -> int:
    """How many bits the filter of so many keys has: a power of two, at least 64."""
    return 1 << max(6, (keys * BITS_PER_KEY).bit_length())


class Marker:
    """Fills a filter.

    Args:
        bits: Zeroed, as many as `bits_for` says.
    """

    def __init__(self, bits: MutableSequence[int]) -> None:
        self._bits = bits
        self._mask = len(bits) * 8 - 1
        self._shift = 64 - self._mask.bit_length()
        self._hashes = [0] * (HEAD_CHARS + 1)

    def mark(self, key: str, shared: int) -> None:
        """Put in all beginnings of a key, but for as many letters as it shares with the key before it."""
        bits, mask, shift, hashes = self._bits, self._mask, self._shift, self._hashes
        for at in range(shared, min(len(key), HEAD_CHARS)):
            value = hashes[at + 1] = hashes[at] + ord(key[at]) * _WEIGHTS[at] & _MASK
            first = value >> 17 & mask
            bits[first >> 3] |= 1 << (first & 7)
            second = (value * _OTHER & _MASK) >> shift
            bits[second >> 3] |= 1 << (second & 7)


class Prefixes:
    """Reads a filter."""

    def __init__(self, bits: Sequence[int]) -> None:
        self._bits = bits
        self._mask = len(bits) * 8 - 1
        self._shift = 64 - self._mask.bit_length()

    def __contains__(self, text: str) -> bool:
        """Whether a key may begin so; False is certain."""
        return self._both(hash_of(text[:HEAD_CHARS]))

    def neighbours(self, text: str, letters: Sequence[Sequence[int]]) -> Iterator[tuple[int, str]]:
        """The texts with one error mended that may exist, with how many letters before it are unchanged.

        Args:
            text: What was typed.
            letters: For each place of the text where an error is looked for, from its start on, the codes of the
                letters that may have been meant. No more than `HEAD_CHARS` places.

        No letter is put in or replaced at the end: what follows the text without its last letter holds all of those.
        """
        yield from self._left_out_or_swapped(text, min(len(letters), len(text)))
        yield from self._replaced(text, letters[: len(text)])
        yield from self._sounding(text)

    def _left_out_or_swapped(self, text: str, end: int) -> Iterator[tuple[int, str]]:
        codes = [ord(letter) for letter in text[: HEAD_CHARS + 1]]
        total, before = hash_of(text[:HEAD_CHARS]), 0
        after = sum(map(mul, codes[1:], _WEIGHTS))  # of the letters behind, each a place nearer
        for at in range(end):
            code, following = codes[at], codes[at + 1] if at + 1 < len(codes) else None
            if following != code:
                if self._both(before + after & _MASK):
                    yield at, text[:at] + text[at + 1 :]
                if following is not None:
                    within = at + 1 < HEAD_CHARS  # else only the first of the two is hashed
                    change = (following - code) * (_WEIGHTS[at] - (_WEIGHTS[at + 1] if within else 0))
                    if self._both(total + change & _MASK):
                        yield at, text[:at] + text[at + 1] + text[at] + text[at + 2 :]
            before += code * _WEIGHTS[at]
            after -= following * _WEIGHTS[at] if following is not None else 0

    def _sounding(self, text: str) -> Iterator[tuple[int, str]]:
        for one, other in SOUNDS:
            for heard, written in ((one, other), (other, one)):
                at = text.find(heard)
                if 0 <= at < HEAD_CHARS and (mended := text[:at] + written + text[at + len(heard) :]) in self:
                    yield at, mended

    def _replaced(self, text: str, letters: Sequence[Sequence[int]]) -> Iterator[tuple[int, str]]:
        total, before = hash_of(text[:HEAD_CHARS]), 0
        after = sum(map(mul, map(ord, text[: HEAD_CHARS - 1]), _WEIGHTS[1:]))
        for at, codes in enumerate(letters):
            code, weight = ord(text[at]), _WEIGHTS[at]
            if at < len(text) - 1:
                for other in self._likely(total - code * weight & _MASK, weight, codes):
                    if other != code:
                        yield at, text[:at] + chr(other) + text[at + 1 :]
            for other in self._likely(before + after & _MASK, weight, codes):
                if other != code:
                    yield at, text[:at] + chr(other) + text[at:]
            before += code * weight
            after -= code * _WEIGHTS[at + 1] if at < HEAD_CHARS - 1 else 0

    def _likely(self, base: int, weight: int, codes: Sequence[int]) -> list[int]:
        """Which letters, put into a head that has the hash `base` without them, make one that may exist."""
        bits, mask = self._bits, self._mask
        return [
            code
            for code in codes
            if bits[(probe := base + code * weight >> 17 & mask) >> 3] >> (probe & 7) & 1
            and self._both(base + code * weight & _MASK)
        ]

    def _both(self, value: int) -> bool:
        first = value >> 17 & self._mask
        second = (value * _OTHER & _MASK) >> self._shift
        return bool(self._bits[first >> 3] >> (first & 7) & self._bits[second >> 3] >> (second & 7) & 1)


def errors_between(typed: str, key: str, same: int = 0) -> int:
    """How far the typed text is from beginning the key: 0 not at all, 1 by one error, 2 by its last letter, 3 by more.

    A letter missing, too many, wrong or swapped is an error. Of the last letter nothing tells whether it is wrong or
    something else was meant.

    Args:
        typed: What was typed.
        key: What may be meant.
        same: So many letters are known to be the same.
    """
    shorter = min(len(typed), len(key))
    while same < shorter and typed[same] == key[same]:
        same += 1
    if same == len(typed):
        return 0
    rest = typed[same + 1 :]
    if key.startswith(typed[same:], same + 1):
        return 1
    if not rest:
        return 2
    swapped = rest[0] + typed[same] + rest[1:]
    return 1 if key.startswith(rest, same + 1) or key.startswith((rest, swapped), same) else 3
