"""Reads the lines of a file that may be compressed, enormous, damaged or no text at all."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from mcp_gateway.api import InvalidParams, Unavailable

MAX_LINE_BYTES = 1024 * 1024
"""A longer line is no title: the largest of 137,000 real ones has 6 kB."""

MAX_BATCH_BYTES = 32 * 1024 * 1024

STDIN = Path("-")

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its end.

    Attributes:
        number: From 1.
        raw: Its bytes; of one that is too long only the beginning.
        too_long: Whether it has more than `MAX_LINE_BYTES`.
    """

    number: int
    raw: bytes
    too_long: bool = False


class Lines:
    """The lines of a file, plain or gzip, or of standard input. Blocks; for a worker thread.

    Attributes:
        file: The file's name, without its folder.
        total_bytes: The file's size; None when it is a pipe.
        last_number: The number of the last line that was read.
        damage: Why the file ended before its end, None as long as it did not.
    """

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            Unavailable: It cannot be read.
            InvalidParams: It is a folder, or UTF-16.
        """
        self.file = path.name or str(path)
        self.last_number = 0
        self.damage: str | None = None
        self._raw, self.total_bytes = _open(path)
        try:
            self._stream = self._unpacked(path)
        except OSError as error:
            self.close()
            raise Unavailable(f"{path} cannot be read: {error.strerror}.") from None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def done_bytes(self) -> int:
        """How much of the file has been read; of a compressed one, of its compressed bytes."""
        return self._raw.count

    def close(self) -> None:
        """Close the file; standard input stays open."""
        self._raw.close()

    def read(self, at_most: int) -> list[Line]:
        """The next lines, empty at the end. Fewer than `at_most` do not mean the end.

        A file that is damaged ends before the damage: what is whole comes, `damage` says why no more does.
        """
        lines: list[Line] = []
        size = 0
        while len(lines) < at_most and size < MAX_BATCH_BYTES and self.damage is None:
            try:
                raw = self._stream.readline(MAX_LINE_BYTES + 1)
                too_long = len(raw) > MAX_LINE_BYTES and not raw.endswith(b"\n")
                if too_long:
                    self._skip_line()
            except (EOFError, zlib.error, gzip.BadGzipFile, OSError) as error:
                self.damage = _describe(error)
                break
            if not raw:
                break
            self.last_number += 1
            size += len(raw)
            lines.append(Line(self.last_number, raw.rstrip(b"\r\n"), too_long))
        return lines

    def _skip_line(self) -> None:
        while (rest := self._stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
            pass

    def _unpacked(self, path: Path) -> BinaryIO:
        buffered = io.BufferedReader(self._raw, 1 << 18)
        start = buffered.peek(3)[:3]
        if start.startswith(_UTF16):
            raise InvalidParams("path", f"{path} is UTF-16 text; save it as UTF-8")
        if start.startswith(_GZIP):
            return cast(BinaryIO, io.BufferedReader(_Unpacked(cast(BinaryIO, buffered)), 1 << 18))
        if start == _BOM:
            buffered.read(3)
        return cast(BinaryIO, buffered)


class _Counted(io.RawIOBase):
    """A stream that counts what is read from it."""

    def __init__(self, stream: BinaryIO, *, keep_open: bool) -> None:
        self._source = stream
        self._keep_open = keep_open
        self.count = 0

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader hands over
        """Read into a buffer."""
        read = self._source.readinto(buffer)  # type: ignore[attr-defined]
        self.count += read or 0
        return int(read or 0)

    def close(self) -> None:
        """Close, unless the stream is not ours."""
        if not self._keep_open:
            self._source.close()
        super().close()


class _Unpacked(io.RawIOBase):
    """The content of a gzip stream, up to where it is cut off.

    `GzipFile.readinto` would lose what comes before the cut, and its `readline` takes longer than the unpacking.
    """

    def __init__(self, packed: BinaryIO) -> None:
        self._content = gzip.GzipFile(fileobj=packed)

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader hands over
        """Read into a buffer."""
        content = self._content.read1(len(buffer))
        buffer[: len(content)] = content
        return len(content)


def _open(path: Path) -> tuple[_Counted, int | None]:
    if path == STDIN:
        return _Counted(sys.stdin.buffer, keep_open=True), None
    try:
        if path.is_dir():
            raise InvalidParams("path", f"{path} is a folder; name the file in it")
        stream = path.open("rb", buffering=0)
        size = path.stat().st_size if path.is_file() else None
    except FileNotFoundError:
        raise Unavailable(f"There is no file {path}. Check the path.") from None
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}.") from None
    return _Counted(cast(BinaryIO, stream), keep_open=False), size


def _describe(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "the gzip file is cut off: fetch it again, then run this again"
    if isinstance(error, OSError) and error.strerror:
        return f"the file cannot be read to its end: {error.strerror}"
    return "the gzip file is damaged: fetch it again, then run this again"
