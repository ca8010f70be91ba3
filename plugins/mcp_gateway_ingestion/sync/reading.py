"""Reads the payloads of a page: what a platform's normalizer makes of them, and what it cannot use."""

from __future__ import annotations

import gc
import logging
import marshal
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
from anyio import to_process, to_thread

from mcp_gateway.catalog.platforms import PlatformNormalizer, Rejected, Sighting
from mcp_gateway.catalog.records import fingerprint_of

from ..intake import PreparedPlatformRecord, prepare_record, record_source
from ..rejects import MAX_RAW_CHARACTERS, Rejection
from .shape import Profile

log = logging.getLogger(__name__)

PAYLOADS_WORTH_A_PROCESS = 500
"""Fewer are read sooner than they could be sent there and back."""

OBJECTS_BETWEEN_COLLECTIONS = 200_000
"""A page makes a hundred thousand objects that all stay until its end: there is no garbage to look for."""


@dataclass(slots=True)
class ReadPage:
    """What became of the payloads of a page."""

    profile: Profile
    records: list[PreparedPlatformRecord] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


async def read_elsewhere(
    normalizer: PlatformNormalizer, payloads: Sequence[Any], seen: Sighting, profile: Profile, *, source: str
) -> ReadPage:
    """Read payloads in a thread, or where they are many, in another process: that is half the work of a sync."""
    packed = _packed(payloads, normalizer) if len(payloads) >= PAYLOADS_WORTH_A_PROCESS else None
    if packed is not None:
        return await to_process.run_sync(partial(_in_process, normalizer, packed, seen, profile, source=source))
    return await to_thread.run_sync(partial(read_page, normalizer, payloads, seen, profile, source=source))


def _in_process(
    normalizer: PlatformNormalizer, packed: bytes, seen: Sighting, profile: Profile, *, source: str
) -> ReadPage:
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    return read_page(normalizer, marshal.loads(packed), seen, profile, source=source)  # noqa: S302 - packed by us


def _packed(payloads: Sequence[Any], normalizer: PlatformNormalizer) -> bytes | None:
    """The payloads as they can be sent to another process, in a third of the time that pickling them takes.

    Returns:
        None when they, or the normalizer, cannot go: one of a plugin may hold what stays here.
    """
    try:
        pickle.dumps(normalizer)
        return marshal.dumps(list(payloads))
    except Exception:
        return None


def read_page(
    normalizer: PlatformNormalizer, payloads: Sequence[Any], seen: Sighting, profile: Profile, *, source: str
) -> ReadPage:
    """Read a source's payloads.

    A normalizer that fails has rejected the payload; its fault is in the log, once a page.
    """
    page = ReadPage(profile.add(payloads))
    records_of = record_source(source, normalizer.key)
    fault: Exception | None = None
    for payload in payloads:
        try:
            read = normalizer.normalize(payload, seen)
        except Exception as error:
            fault, read = error, Rejected(f"The normalizer failed: {type(error).__name__}.")
        if isinstance(read, Rejected):
            page.rejections.append(_rejection(payload, read.reason))
        else:
            page.records.append(prepare_record(read, records_of))
    if fault is not None:
        log.error("normalizer failed", extra={"platform": normalizer.key}, exc_info=fault)
    return page


def _rejection(payload: Any, reason: str) -> Rejection:
    raw = _raw(payload)
    # A payload has no line: a number made of it lets the same one, come again, take the place of the first.
    return Rejection(fingerprint_of(raw) & 0x7FFFFFFF, reason, raw[: 4 * MAX_RAW_CHARACTERS])


def _raw(payload: Any) -> bytes:
    try:
        return orjson.dumps(payload, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:
        return repr(payload)[:MAX_RAW_CHARACTERS].encode("utf-8", "replace")
