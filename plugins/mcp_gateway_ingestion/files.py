"""Opens files that may be compressed, enormous or damaged, and counts what was read of them."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from mcp_gateway.api import InvalidParams, Unavailable

STDIN = Path("-")

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_CHUNK_BYTES = 1 << 18


class ByteFile:
    """The bytes of a file, plain or gzip, or of standard input. Blocks; for a worker thread.

    A file that is damaged ends before the damage: what is whole comes, `damage` says why no more does.

    Attributes:
        total_bytes: The file's size; None when it is a pipe.
        damage: Why the file ended before its end, None as long as it did not.
    """

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises:
            Unavailable: It cannot be read.
            InvalidParams: It is a folder, or UTF-16.
        """
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

    def line(self, at_most: int) -> bytes:
        """The next line with its end, or as much of it; empty at the end and where the damage begins."""
        try:
            return self._stream.readline(at_most)
        except (EOFError, zlib.error, gzip.BadGzipFile, OSError) as error:
            self.damage = _describe(error)
            return b""

    def chunk(self) -> bytes:
        """The next bytes; empty at the end and where the damage begins."""
        try:
            return self._stream.read1(_CHUNK_BYTES)  # type: ignore[attr-defined, no-any-return]  # a BufferedReader
        except (EOFError, zlib.error, gzip.BadGzipFile, OSError) as error:
            self.damage = _describe(error)
            return b""

    def peek(self) -> bytes:
        """Some bytes of what comes next, without taking them; none at the end."""
        try:
            return self._stream.peek(1)  # type: ignore[attr-defined, no-any-return]  # a BufferedReader
        except (EOFError, zlib.error, gzip.BadGzipFile, OSError) as error:
            self.damage = _describe(error)
            return b""

    def _unpacked(self, path: Path) -> BinaryIO:
        buffered = io.BufferedReader(self._raw, _CHUNK_BYTES)
        start = buffered.peek(3)[:3]
        if start.startswith(_UTF16):
            raise InvalidParams("path", f"{path} is UTF-16 text; save it as UTF-8")
        if start.startswith(_GZIP):
            return cast(BinaryIO, io.BufferedReader(_Unpacked(cast(BinaryIO, buffered)), _CHUNK_BYTES))
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
