"""The bus in Kafka: one topic, the subject as the key, so that a subject's events keep their order.

aiokafka is the optional extra `kafka`.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import anyio

from mcp_gateway.bus.bus import Envelope, Subscription
from mcp_gateway.bus.cloudevents import CONTENT_TYPE, decode, encode
from mcp_gateway.bus.outage import Outage
from mcp_gateway.errors import SettingsError, Unavailable

try:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
    from aiokafka.errors import KafkaError, MessageSizeTooLargeError
except ImportError:
    raise SettingsError("events.url: Kafka needs the extra `kafka`. Run: pip install 'media-gateway[kafka]'.") from None

log = logging.getLogger(__name__)

DEFAULT_TOPIC = "media-gateway.events"

_HEADERS = [("content-type", CONTENT_TYPE.encode())]
_ANSWER_SECONDS = 10.0
# Less than that: otherwise events of a publication that failed would still be sent beside its repetition.
_GIVE_UP_MS = 8000


class KafkaBus:
    """A bus on a Kafka cluster. See `open_bus`.

    Args:
        options: How to reach the cluster: the arguments that aiokafka's producer and consumer share.
        topic: Where the events are. Its retention is the cluster's business; a topic that does not exist is
            created when the cluster allows it.
        lease_seconds: So long after a subscriber died, others of its group take over.
    """

    shared = True
    is_heard = True

    def __init__(self, options: dict[str, Any], *, topic: str = DEFAULT_TOPIC, lease_seconds: float = 10) -> None:
        self._options = options
        self._topic = topic
        self._session_ms = int(lease_seconds * 1000)
        self._producer: AIOKafkaProducer | None = None
        self._starting = anyio.Lock()

    async def publish(self, events: Sequence[Envelope]) -> None:
        """Add the events to the topic; returns once all replicas have them."""
        try:
            with anyio.fail_after(_ANSWER_SECONDS):
                producer = await self._started_producer()
                for delivery in [await self._send(producer, event) for event in events]:
                    await delivery
        except (KafkaError, OSError, TimeoutError) as error:
            raise _unavailable() from error

    @asynccontextmanager
    async def subscribe(self, types: Sequence[str], *, group: str | None = None) -> AsyncIterator[Subscription]:
        """Listen. A group's subscribers share out the partitions; a subject stays in one."""
        consumer = AIOKafkaConsumer(
            self._topic,
            group_id=None if group is None else f"{self._topic}/{group}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=self._session_ms,
            heartbeat_interval_ms=self._session_ms // 3,
            **self._options,
        )
        try:
            await _start(consumer, at_end=group is None)
            yield _Subscription(consumer, frozenset(types), in_group=group is not None)
        finally:
            with anyio.move_on_after(_ANSWER_SECONDS, shield=True):
                await consumer.stop()

    async def ping(self) -> None:
        """Raise Unavailable when no broker answers."""
        try:
            with anyio.fail_after(_ANSWER_SECONDS):
                producer = await self._started_producer()
                await producer.client.fetch_all_metadata()
        except (KafkaError, OSError, TimeoutError) as error:
            raise _unavailable() from error

    async def close(self) -> None:
        """End the producer."""
        if self._producer is not None:
            with anyio.move_on_after(_ANSWER_SECONDS, shield=True):
                await self._producer.stop()

    async def _send(self, producer: AIOKafkaProducer, event: Envelope) -> Awaitable[Any]:
        try:
            delivery: Awaitable[Any] = await producer.send(
                self._topic, encode(event), key=event.subject.encode(), headers=_HEADERS
            )
        except MessageSizeTooLargeError:
            # Kafka will never take it; waiting would hold up all events behind it.
            log.error("event too large for Kafka, given up", extra={"event_id": event.id, "event_type": event.type})
            return anyio.lowlevel.checkpoint()
        return delivery

    async def _started_producer(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(enable_idempotence=True, request_timeout_ms=_GIVE_UP_MS, **self._options)
                try:
                    await producer.start()
                except BaseException:
                    with anyio.move_on_after(_ANSWER_SECONDS, shield=True):
                        await producer.stop()
                    raise
                self._producer = producer
            return self._producer


class _Subscription:
    """A Kafka consumer's place in the topic."""

    def __init__(self, consumer: AIOKafkaConsumer, types: frozenset[str], *, in_group: bool) -> None:
        self._consumer = consumer
        self._types = types
        self._in_group = in_group
        self._outage = Outage("Kafka event bus")

    async def receive(self, max_events: int = 100) -> Sequence[Envelope]:
        """Wait for the next events."""
        while True:
            try:
                found = await self._consumer.getmany(timeout_ms=1000, max_records=max_events)
                self._outage.over()
            except KafkaError as error:
                await self._outage.wait(error)
                continue
            if events := self._decoded([record for records in found.values() for record in records]):
                return events

    async def acknowledge(self) -> None:
        """Commit the group's offsets; after a rebalance, the events come again to whoever has them now."""
        if not self._in_group:
            return
        try:
            await self._consumer.commit()
        except KafkaError as error:
            log.warning("offsets not committed, events come again", extra={"error": type(error).__name__})

    def _decoded(self, records: Sequence[Any]) -> list[Envelope]:
        events = []
        for record in records:
            try:
                event = decode(record.value or b"")
            except ValueError as error:
                facts = {"partition": record.partition, "offset": record.offset, "problem": str(error)}
                log.warning("not an event, skipped", extra=facts)
                continue
            if not self._types or event.type in self._types:
                events.append(event)
        return events


@asynccontextmanager
async def open_kafka(url: str, *, lease_seconds: float) -> AsyncIterator[KafkaBus]:
    """The bus at `kafka://[user:password@]host:port[,host:port][/topic]`, or `kafka+ssl://…` for TLS.

    Raises:
        SettingsError: The URL has no host.
    """
    # It repeats itself many times a second while a broker is away; we say so once, and when it is back.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    options, topic = _parse(url)
    bus = KafkaBus(options, topic=topic, lease_seconds=lease_seconds)
    try:
        yield bus
    finally:
        await bus.close()


def _parse(url: str) -> tuple[dict[str, Any], str]:
    parts = urlsplit(url)
    account, _, hosts = parts.netloc.rpartition("@")
    if not hosts:
        raise SettingsError("events.url: no Kafka host. Example: `kafka://broker:9092`.")
    options: dict[str, Any] = {"bootstrap_servers": hosts.split(",")}
    security = "SSL" if parts.scheme == "kafka+ssl" else "PLAINTEXT"
    if security == "SSL":
        options["ssl_context"] = ssl.create_default_context()
    if account:
        user, _, password = account.partition(":")
        security = f"SASL_{security}"
        options |= {"sasl_plain_username": unquote(user), "sasl_plain_password": unquote(password)}
    return {**options, "security_protocol": security}, parts.path.strip("/") or DEFAULT_TOPIC


async def _start(consumer: AIOKafkaConsumer, *, at_end: bool) -> None:
    """Start, and be live: a subscriber of its own stands at the end of every partition.

    Partitions that are added later are read from their beginning, so none of their events is missed.
    """
    try:
        with anyio.fail_after(_ANSWER_SECONDS):
            await consumer.start()
            if at_end:
                await _seek_to_end(consumer)
    except (KafkaError, OSError, TimeoutError) as error:
        raise _unavailable() from error


async def _seek_to_end(consumer: AIOKafkaConsumer) -> None:
    while not consumer.assignment():  # noqa: ASYNC110 - a topic that is being created; nothing says when it is there
        await anyio.sleep(0.02)
    # Not consumer.seek_to_end(): the answer to the reset that start() began would overrule it.
    for partition, offset in (await consumer.end_offsets(consumer.assignment())).items():
        consumer.seek(partition, offset)


def _unavailable() -> Unavailable:
    return Unavailable("The event bus does not answer; try again later.")
