"""What waits to be read by one client, and by many together."""

import anyio
import pytest

from mcp_gateway.protocol.outbox import LOW_BYTES, Outbox, Shared

pytestmark = pytest.mark.anyio

LITTLE, MUCH = bytes(LOW_BYTES // 2), bytes(LOW_BYTES)


async def has_room(outbox: Outbox) -> bool:
    """Whether a producer goes on at once."""
    with anyio.move_on_after(0):
        await outbox.room()
        return True
    return False


async def test_a_client_that_reads_has_room_though_too_much_waits_for_the_others() -> None:
    shared = Shared(4 * LOW_BYTES)
    reading, *others = (Outbox(shared=shared) for _ in range(5))
    for outbox in others:
        outbox.put(MUCH)
    reading.put(LITTLE)

    assert shared.is_full
    assert await has_room(reading)
    assert not any([await has_room(outbox) for outbox in others])


async def test_what_was_read_no_longer_counts_for_all() -> None:
    shared = Shared(LOW_BYTES)
    one, other = Outbox(shared=shared), Outbox(shared=shared)
    one.put(MUCH)
    other.put(MUCH)
    await one.take()
    assert not await has_room(one)  # in hand, but not written yet

    with anyio.move_on_after(0):
        await one.take()
    other.close()

    assert shared.waiting_bytes == 0
    assert await has_room(one)


async def test_a_closed_outbox_holds_nothing() -> None:
    shared = Shared(LOW_BYTES)
    outbox = Outbox(shared=shared)
    outbox.put(MUCH)
    await outbox.take()
    outbox.put(MUCH)
    outbox.close()
    outbox.put(MUCH)
    outbox.close()

    assert shared.waiting_bytes == 0
    assert await has_room(outbox)
