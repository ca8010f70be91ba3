"""Buses that tests take away and bring back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import pytest

from mcp_gateway.tests.kafka_cluster import KafkaCluster
from mcp_gateway.tests.servers import RedisServer


def bus_that_goes_away(
    backend: str, topic: str, request: pytest.FixtureRequest
) -> tuple[str, Callable[[], AbstractAsyncContextManager[None]]]:
    """The URL of a bus, and what takes it away for a while. `backend` is `redis` or `kafka`."""
    if backend == "kafka":
        cluster: KafkaCluster = request.getfixturevalue("kafka_cluster")

        @asynccontextmanager
        async def kafka_away() -> AsyncIterator[None]:
            with cluster.away():
                yield

        return f"kafka://{cluster.brokers}/{topic}", kafka_away
    server: RedisServer = request.getfixturevalue("own_redis_server")

    @asynccontextmanager
    async def redis_away() -> AsyncIterator[None]:
        await anyio.to_thread.run_sync(server.stop)
        yield
        await anyio.to_thread.run_sync(server.start)

    return server.url, redis_away
