"""Writes to the index, for whoever holds the folder's lock. Everything here blocks: run it in a thread."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from tantivy import Index, IndexWriter

from mcp_gateway.catalog.models import Offer, Title, TitleId

from .index import open_generation
from .index_folder import IndexFolder, Manifest, has_unfinished_files
from .schema import build_schema, document_json, document_of

log = logging.getLogger(__name__)

# One thread keeps documents in the catalogue's order and leaves the other cores to requests.
WRITER_THREADS = 1
# As much as the documents between two commits of a build need, so that each commit is one segment.
WRITER_BYTES = 60_000_000


class Update:
    """A stretch of writing to the current generation. `end()` drops what was not committed.

    Attributes:
        manifest: The state last published.
        titles: How many titles were put so far.
        uncommitted: How many of them no search sees yet.
    """

    def __init__(self, folder: IndexFolder, manifest: Manifest, index: Index, *, new_up_to: int = -1) -> None:
        self.manifest = manifest
        self.titles = 0
        self.uncommitted = 0
        self._folder = folder
        self._new_up_to = new_up_to
        self._writer: IndexWriter = index.writer(WRITER_BYTES, WRITER_THREADS)
        self._last_revision = manifest.revision

    @classmethod
    def begin(cls, folder: IndexFolder, revision: int) -> Update:
        """Go on with the current generation, or start a new one where there is none that can be read.

        Args:
            revision: The catalogue's. Whatever changed before comes only once, so a new generation cannot have it.
        """
        manifest = folder.read()
        index = open_generation(folder.generation(manifest)) if manifest else None
        if manifest is None or index is None:
            return cls(folder, *start_generation(folder), new_up_to=revision)
        return cls(folder, manifest, index)

    def put(self, titles: Sequence[Title], offers: Mapping[TitleId, Sequence[Offer]]) -> None:
        """Add titles, oldest change first, in place of what the index has of them."""
        for title in titles:
            if title.revision > self._new_up_to:
                self._writer.delete_documents_by_term("id", title.id)
            self._writer.add_json(document_json(document_of(title, offers.get(title.id, ()))))
            self._last_revision = title.revision
        self.titles += len(titles)
        self.uncommitted += len(titles)

    def commit(self, *, all_up_to: int | None = None) -> None:
        """Let searches see what was put.

        Args:
            all_up_to: The catalogue's revision when all its titles have been put. None while some are to come:
                titles of the last one's revision may be among them.
        """
        self._writer.commit()
        self.uncommitted = 0
        if all_up_to is None:
            revision = max(self.manifest.revision, self._last_revision - 1)
            self.manifest = replace(self.manifest, revision=revision)
        else:
            revision = max(self._last_revision, all_up_to)
            self.manifest = replace(self.manifest, revision=revision, complete=True)
        self._folder.publish(self.manifest)

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
    """Make an empty index the current one. Only while `folder.writing()`."""
    manifest = folder.new_generation()
    index = Index(build_schema(), str(folder.generation(manifest)))
    folder.publish(manifest)
    return manifest, index
