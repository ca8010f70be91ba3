"""Skills: instructions that an agent loads when it needs them, with the files they speak of (SEP-2640).

A skill is a folder with a `SKILL.md`, as agents know it from elsewhere: a head in YAML with at least name and
description, then Markdown. Its files are resources, `skill://<name>/<path>`, which older clients read too.
"""

from __future__ import annotations

import json
import mimetypes
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from mcp_gateway.call import Call
from mcp_gateway.capability import Capability, Definition, NoParams, capability
from mcp_gateway.content import Content, EmbeddedResource

MANIFEST = "SKILL.md"
DIRECTORY = "inode/directory"

# What the extension asks servers not to exceed.
MAX_FILES = 512
MAX_BYTES = 16 * 1024 * 1024

_NAME = re.compile(r"(?!.*--)[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
_HEAD = re.compile(r"---\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
# A key and text without quotes, which YAML reads as it stands.
_PLAIN_LINE = re.compile(r"([a-z][a-z-]*): ([A-Za-z](?:[A-Za-z0-9 .,;!?()/'-]*[A-Za-z0-9.,;!?()/'-])?)")
_NOT_TEXT = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})


@dataclass(frozen=True, slots=True)
class Skill:
    """One skill. Build it with `skill()`.

    Attributes:
        frontmatter: The head of `SKILL.md`.
        files: Their bytes, by path within the skill; `SKILL.md` is one of them.
        resources: URI, size and digest of each.
    """

    name: str
    description: str
    frontmatter: Mapping[str, Any]
    files: Mapping[str, bytes]
    resources: Sequence[Mapping[str, Any]]

    @property
    def uri(self) -> str:
        """Of its `SKILL.md`."""
        return self.uri_of(MANIFEST)

    def uri_of(self, path: str) -> str:
        """Of one of its files, or of a folder; the skill itself with an empty path."""
        return _uri_of(self.name, path)

    def entry(self) -> dict[str, Any]:
        """As `skills/list` has it: with size and digest of each file."""
        return {"uri": self.uri, "frontmatter": dict(self.frontmatter), "resources": list(self.resources)}

    def directory(self, uri: str) -> list[dict[str, Any]] | None:
        """What stands directly in a folder of the skill; None when it has no such folder."""
        inside = f"{uri.rstrip('/')}/"
        children: dict[str, dict[str, Any]] = {}
        if not inside.startswith(self.uri_of("") + "/"):
            return None
        for path in self.files:
            child_uri = self.uri_of(path)
            if child_uri.startswith(inside):
                name, _, deeper = child_uri.removeprefix(inside).partition("/")
                kind = DIRECTORY if deeper else media_type(path)
                children[name] = {"uri": inside + name, "name": name, "mimeType": kind}
        return list(children.values()) or None

    def capabilities(self) -> Iterator[Capability]:
        """Its files as resources."""
        for path, data in self.files.items():
            is_manifest = path == MANIFEST
            yield capability(
                self.name if is_manifest else f"{self.name}.{path.replace('/', '.')}",
                _reading(self.uri_of(path), data, media_type(path)),
                title=self.name if is_manifest else path,
                description=self.description if is_manifest else f"{path} of the skill {self.name}.",
                tool=False,
                uri=self.uri_of(path),
                mime_type=media_type(path),
            )


def skill(folder: Path) -> Skill:
    """Read a skill. The folder has its name, as agents expect it.

    Raises:
        Definition: It is not a skill; the message says what is wrong.
    """
    paths = _files_of(folder)
    if len(paths) > MAX_FILES or sum(path.stat().st_size for path in paths) > MAX_BYTES:
        raise Definition(f"skill {folder.name}: more than {MAX_FILES} files or {MAX_BYTES} bytes")
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    if MANIFEST not in files:
        raise Definition(f"skill {folder.name}: there is no {MANIFEST}")
    head = _head_of(folder.name, files[MANIFEST])
    name, description = head.get("name"), head.get("description")
    if name != folder.name or not _NAME.fullmatch(folder.name):
        raise Definition(f"skill {folder.name}: its name must be that of its folder, in a-z, 0-9 and single hyphens")
    if not isinstance(description, str) or not description.strip():
        raise Definition(f"skill {folder.name}: the description is missing")
    resources = [
        {"uri": _uri_of(folder.name, path), "digest": f"sha256:{sha256(data).hexdigest()}", "size": len(data)}
        for path, data in files.items()
    ]
    return Skill(folder.name, description, head, files, resources)


def media_type(path: str) -> str:
    """Of a file, by its name."""
    return "text/markdown" if path.endswith(".md") else mimetypes.guess_type(path)[0] or "application/octet-stream"


def _uri_of(name: str, path: str) -> str:
    return f"skill://{name}/{path}".rstrip("/")


def _files_of(folder: Path) -> list[Path]:
    # A link could lead anywhere, and what is in a skill is published.
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    found = sorted(path for path in files if not _is_hidden(path, folder))
    return sorted(found, key=lambda path: path.name != MANIFEST)


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith((".", "__pycache__")) for part in path.relative_to(folder).parts)


def _head_of(name: str, manifest: bytes) -> dict[str, Any]:
    found = _HEAD.match(manifest.removeprefix(b"\xef\xbb\xbf").decode(errors="replace"))
    head = read_head(found[1]) if found else None
    if not isinstance(head, dict):
        raise Definition(
            f"skill {name}: {MANIFEST} must begin with a head between lines of ---, in YAML that JSON can say"
        )
    return head


def read_head(text: str) -> Any:
    """The value of a head in YAML; None when it is none, or nothing that JSON can say."""
    lines = [_PLAIN_LINE.fullmatch(line) for line in text.splitlines()]
    plain = {line[1]: line[2] for line in lines if line is not None and line[2].lower() not in _NOT_TEXT}
    if len(plain) == len(lines):
        return plain  # as nearly all are: reading YAML would take a tenth of the gateway's start
    import yaml

    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            return None  # a few lines of them can stand for gigabytes
        head = yaml.safe_load(text)
        json.dumps(head, allow_nan=False)  # clients are told it as JSON
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return None
    return head


def _reading(uri: str, data: bytes, mime_type: str) -> Any:
    try:
        text: str | bytes = data.decode()
    except UnicodeDecodeError:
        text = data

    async def read(params: NoParams, call: Call) -> Content:
        return Content([EmbeddedResource(uri, text, mime_type)])

    return read
