"""Writes to the index, for whoever holds the folder's lock. Everything here blocks: run it in a thread."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from time import time

from tantivy import Index, IndexWriter

from mcp_gateway.catalog.models import Offer, Title, TitleId

from .index import open_generation
from .index_folder import IndexFolder, Manifest, has_unfinished_files
from .schema import build_schema, document_json, document_of

log = logging.getLogger(__name__)

# One thread keeps documents in the catalogue's order and leaves the other cores to requests.
WRITER_THREADS = 1
WRITER_BYTES = 60_000_000

OTHER_INDEXES_KEPT_DAYS = 7


class Update:
    """A stretch of writing to the current generation. `end()` drops what was not committed.

    Attributes:
        manifest: The state last published.
        titles: How many titles were put so far.
        uncommitted: How many of them no search sees yet.
    """

    def __init__(
        self,
        folder: IndexFolder,
        manifest: Manifest,
        index: Index,
        *,
        new_up_to: int = -1,
        writer_bytes: int = WRITER_BYTES,
    ) -> None:
        self.manifest = manifest
        self.titles = 0
        self.uncommitted = 0
        self._folder = folder
        self._new_up_to = new_up_to
        self._writer: IndexWriter = index.writer(writer_bytes, WRITER_THREADS)
        self._last_revision = manifest.revision

    @classmethod
    def begin(cls, folder: IndexFolder, revision: int, *, writer_bytes: int = WRITER_BYTES) -> Update:
        """Go on with the current generation, or start a new one where there is none that can be read or is worth it.

        Args:
            revision: The catalogue's. Whatever changed before comes only once, so a new generation cannot have it.
            writer_bytes: So much may wait in memory for a commit; what is more goes into segments of its own.
        """
        manifest = folder.read()
        worth_it = manifest is not None and (manifest.complete or manifest.revision > 0)
        index = open_generation(folder.generation(manifest)) if manifest and worth_it else None
        if manifest is None or index is None:
            return cls(folder, *start_generation(folder), new_up_to=revision, writer_bytes=writer_bytes)
        return cls(folder, manifest, index, writer_bytes=writer_bytes)

    def put(self, titles: Sequence[Title], offers: Mapping[TitleId, Sequence[Offer]]) -> None:
        """Add titles, oldest change first, in place of what the index has of them."""
        for title in titles:
            if title.revision > self._new_up_to:
                self._writer.delete_documents_by_term("id", title.id)
            self._writer.add_json(document_json(document_of(title, offers.get(title.id, ()))))
            self._last_revision = title.revision
        self.titles += len(titles)
        self.uncommitted += len(titles)

    def commit(self) -> None:
        """Let searches see what was put. More is to come: titles of the last one's revision may be among it."""
        self._publish(max(self.manifest.revision, self._last_revision - 1), complete=self.manifest.complete)

    def commit_sample(self) -> None:
        """Let searches see what was put, though the index will be built anew with all titles."""
        self._publish(0, complete=False)

    def finish(self, revision: int) -> None:
        """Let searches see what was put.

        Args:
            revision: The catalogue's: all its titles have been put.
        """
        first_time = not self.manifest.complete
        self._publish(max(self._last_revision, revision), complete=True)
        if first_time:
            self._folder.tidy(siblings_unused_since=time() - OTHER_INDEXES_KEPT_DAYS * 86_400)

    def is_merging(self) -> bool:
        """Whether segments are being made into one: there are files of segments that are not yet part of the index."""
        return has_unfinished_files(self._folder.generation(self.manifest))

    def end(self) -> None:
        """Stop writing, after merges in progress."""
        try:
            if self.uncommitted:
                self._writer.rollback()
            self._writer.wait_merging_threads()
        except ValueError:
            log.exception("search index writer did not end well")

    def _publish(self, revision: int, *, complete: bool) -> None:
        self._writer.commit()
        self.uncommitted = 0
        self.manifest = replace(self.manifest, revision=revision, complete=complete)
        self._folder.publish(self.manifest)


def publish_vocabulary(folder: IndexFolder, generation: str, file: str, revision: int) -> None:
    """Let searches use another vocabulary. Only while `folder.writing()`."""
    manifest = folder.read()
    if manifest is None or manifest.generation != generation:
        return
    folder.publish(replace(manifest, vocabulary=file, vocabulary_revision=revision))
    if manifest.vocabulary and manifest.vocabulary != file:
        # Windows keeps a file that a process has mapped; the next build of the index removes it.
        with suppress(OSError):
            (folder.generation(manifest) / manifest.vocabulary).unlink()


def start_generation(folder: IndexFolder) -> tuple[Manifest, Index]:
    """Make an empty index, which `folder.publish` makes the current one. Only while `folder.writing()`."""
    manifest = folder.new_generation()
    return manifest, Index(build_schema(), str(folder.generation(manifest)))
