"""Keeps what a server owes beside what it sent, and says what does not match."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from protocol_tests.conformance.shapes import envelope_faults
from protocol_tests.hostile.oracle import Key, Owed, key_of

SHOWN = 300


class Ledger:
    """One account. Faults that show at once are in `faults`; those that show at its end come from `balance`."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._texts: dict[Key, bytes] = {}
        self._owed: Counter[Key] = Counter()
        self._either: list[tuple[Key, ...]] = []
        self._cancelled: set[Key] = set()
        self._arrays = 0
        self._answers: Counter[Key] = Counter()
        self._arrays_seen = 0

    def owe(self, text: bytes, owed: Owed) -> None:
        """A text was sent."""
        for keys in owed.answers:
            if len(keys) == 1:
                self._owed.update(keys)
            else:
                self._either.append(keys)
            for key in keys:
                self._texts[key] = text[:SHOWN]
        self._cancelled.update(owed.cancels)
        self._arrays += owed.is_batch

    def take(self, value: Any) -> list[dict[str, Any]]:
        """Something was received.

        Returns:
            The server's requests in it.
        """
        self._arrays_seen += isinstance(value, list)
        messages = value if isinstance(value, list) else [value]
        if not messages:
            self.faults.append("an empty array was sent")
        return [message for message in messages if self._take_one(message)]

    def balance(self) -> Iterator[str]:
        """What is missing, and what nobody was owed."""
        missing = self._owed - self._answers
        surplus = self._answers - self._owed
        for keys in self._either:
            # Its own id first: an answer with null may be what another request is owed.
            taken = next((key for key in keys if surplus[key] > 0), None)
            if taken is not None:
                surplus[taken] -= 1
            elif not self._cancelled.intersection(keys):
                yield f"no answer with one of {keys}"
        for key, count in missing.items():
            if key not in self._cancelled:
                yield f"{count} answers {key} are missing: {self._texts.get(key, b'')!r}"
        for key, count in (+surplus).items():
            yield f"{count} answers {key} too many: {self._texts.get(key, b'')!r}"
        if self._arrays_seen > self._arrays or (self._arrays_seen < self._arrays and not self._cancelled):
            yield f"{self._arrays_seen} arrays instead of {self._arrays}"

    def _take_one(self, message: Any) -> bool:
        for fault in envelope_faults(message):
            self.faults.append(f"{fault}: {str(message)[:SHOWN]}")
        if not isinstance(message, dict):
            return False
        if "method" in message:
            return "id" in message
        key = key_of(message.get("id"))
        self._answers[key] += 1
        if "Internal error" in str(message)[:SHOWN]:
            self.faults.append(f"an internal error: {message} for {self._texts.get(key, b'')!r}")
        return False
