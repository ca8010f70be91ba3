"""The list of records that could not be used."""

from __future__ import annotations

from mcp_gateway.api import Call, Cursors

from .models import ForgetRejectedParams, Forgotten, ListRejectedParams, RejectedItem, RejectedPage
from .rejects import RejectedRecord
from .store import RejectedStore

_SORT = "source,file,line"


class RejectedList:
    """Lists rejected records, page by page, and forgets them."""

    def __init__(self, store: RejectedStore, cursors: Cursors) -> None:
        self._store = store
        self._cursors = cursors

    async def list_rejected_records(self, params: ListRejectedParams, call: Call) -> RejectedPage:
        """List records of imported files that could not be used, with file, line and reason.

        Correct the line and import the file again: the record leaves this list.
        """
        query = {"source": params.source}
        after = None
        if params.cursor is not None:
            after = self._cursors.decode(params.cursor, query=query, sort=_SORT, caller=call.caller.id)
        found = await self._store.page(params.source, after=after, limit=params.limit + 1)
        shown = found[: params.limit]
        has_more = len(found) > len(shown)
        cursor = None
        if has_more:
            last = (shown[-1].source, shown[-1].file, shown[-1].line_number)
            cursor = self._cursors.encode(last, query=query, sort=_SORT, caller=call.caller.id)
        return RejectedPage(
            items=[_item(record) for record in shown],
            total=await self._store.count(params.source),
            has_more=has_more,
            next_cursor=cursor,
        )

    async def forget_rejected_records(self, params: ForgetRejectedParams, call: Call) -> Forgotten:
        """Take the rejected records of a source, or of one of its files, off the list: those of a file that will not
        come again. Nothing else is deleted; when the file is imported again, they are back.
        """
        return Forgotten(forgotten=await self._store.forget(params.source, params.file))


def _item(record: RejectedRecord) -> RejectedItem:
    return RejectedItem(
        source=record.source,
        file=record.file,
        line=record.line_number,
        reason=record.reason,
        raw=record.raw,
        seen_at=record.seen_at.isoformat(),
    )
