"""HBO Max's links, of all its years: hbomax.com (2020), max.com (2023), hbomax.com again (2025)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import urlencode

from .links import own_link, path_of

HOSTS: Final = frozenset({"play.hbomax.com", "www.hbomax.com", "hbomax.com", "play.max.com", "www.max.com", "max.com"})
ROKU_CHANNEL: Final = 61322

_WEB: Final = "https://play.hbomax.com"
_UUID: Final = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_COUNTRY_AND_LANGUAGE: Final = "(?:/[a-z]{2}(?:-[a-z]{2})?){0,2}"
_URN = re.compile(
    r"/(?:[a-z-]+/)?urn:hbo:(page|feature|series|season|episode):([A-Za-z0-9_-]{6,40})(?::type:([a-z-]+))?(?:/|$)"
)
_WATCH = re.compile(rf"{_COUNTRY_AND_LANGUAGE}/video/watch/({_UUID})(?:/({_UUID}))?/?")
_PAGE = re.compile(rf"{_COUNTRY_AND_LANGUAGE}/(movies?|shows?|series|standalone|topical)/(?:[^/]+/)?({_UUID})/?")
_PLAIN_UUID = re.compile(_UUID)
_OWN_ID = re.compile(rf"G[A-Za-z0-9_-]{{6,40}}|{_UUID}")
_KINDS = {
    "movie": "movie",
    "movies": "movie",
    "feature": "movie",
    "series": "series",
    "show": "series",
    "shows": "series",
}

ID_IN_PATH: Final = re.compile(
    rf"(?:urn:hbo:(?:page|feature|series):|/(?:movies?|shows?|series)/(?:[^/]+/)?)(G[A-Za-z0-9_-]{{6,40}}|{_UUID})(?=$|[/:])"
)
"""The id of a film or series in a path. That of `/video/watch/` is of one video, and no title's."""


def title_id_of(key: str) -> str | None:
    """The platform's id in a key of its catalogue, `urn:hbo:…` too; None for keys that are not made like its own."""
    written = key.rpartition(":")[2]
    return written if _OWN_ID.fullmatch(written) else None


class HboLink(NamedTuple):
    """What a link leads to.

    Attributes:
        kind: `movie series season episode`; None when the link does not say it.
        title_id: Of a page: the title's id, which is no video's.
        video_id, edit_id: Of a player's link: the video, and the cut of it.
    """

    kind: str | None = None
    title_id: str | None = None
    video_id: str | None = None
    edit_id: str | None = None


class DeepLinks(NamedTuple):
    """Ways to open a title.

    Attributes:
        web: For a browser; apps that are installed open it too.
        mobile: With the app's own scheme, as widely used; not documented by the platform.
        roku: Path of a Roku's External Control Protocol; None where the link does not hold what Roku needs.
    """

    web: str
    mobile: str
    roku: str | None


def parse_link(url: object) -> HboLink | None:
    """What a link of HBO Max leads to; None for a link of somebody else, or to no title."""
    link = own_link(url, HOSTS)
    if link is None:
        return None
    path = path_of(link)
    if match := _WATCH.fullmatch(path):
        return HboLink(None, None, match[1], match[2])
    if match := _PAGE.fullmatch(path):
        return HboLink(_KINDS.get(match[1]), match[2])
    if match := _URN.match(path):
        named = match[3] or match[1]
        return HboLink(_KINDS.get(named, named if named in {"season", "episode"} else None), match[2])
    return None


def watch_link(video_id: str | None, edit_id: str | None) -> str | None:
    """The player's link of a video of the platform's own catalogue; None for ids that are not made like its own."""
    if video_id is None or not _PLAIN_UUID.fullmatch(video_id):
        return None
    edit = f"/{edit_id}" if edit_id and _PLAIN_UUID.fullmatch(edit_id) else ""
    return f"{_WEB}/video/watch/{video_id}{edit}"


def page_link(kind: str, title_id: str) -> str | None:
    """The page of a film or series of the platform's own catalogue; None for ids that are not made like its own."""
    page = {"movie": "movie", "series": "show"}.get(kind)
    return f"{_WEB}/{page}/{title_id}" if page and _PLAIN_UUID.fullmatch(title_id) else None


def deep_links(url: str, kind: str | None = None) -> DeepLinks | None:
    """The ways to open what a link leads to, all made of ids that stand in it; None when it is not HBO Max's.

    Args:
        kind: `movie` or `episode`, where it is known: Roku wants to be told, and links of videos do not say it.
    """
    link, parsed = own_link(url, HOSTS), parse_link(url)
    if link is None or parsed is None:
        return None
    path = path_of(link)
    return DeepLinks(link, f"hbomax:/{path}", _roku(parsed.video_id, kind))


def _roku(video_id: str | None, kind: str | None) -> str | None:
    """Roku takes the first id of `/video/watch/{id}/{id}`, and says "invalid" to that of `/movie/{id}`."""
    if video_id is None or kind not in {"movie", "episode"}:
        return None
    return f"launch/{ROKU_CHANNEL}?{urlencode({'contentId': video_id, 'mediaType': kind})}"
