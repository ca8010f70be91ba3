"""A Kafka cluster within the test process: librdkafka's mock cluster, with what its Python binding leaves out."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import confluent_kafka
import pytest
from aiokafka.consumer.group_coordinator import CoordinatorGroupRebalance

BROKERS = 3
_PRODUCER = 0


class KafkaCluster:
    """A running cluster. Topics are made when they are first asked for; groups do not wait for late members."""

    def __init__(self) -> None:
        self._library = _library()
        conf = self._library.rd_kafka_conf_new()
        error = ctypes.create_string_buffer(512)
        for name, value in {"test.mock.num.brokers": str(BROKERS), "log_level": "3"}.items():
            self._library.rd_kafka_conf_set(conf, name.encode(), value.encode(), error, 512)
        self._client = self._library.rd_kafka_new(_PRODUCER, conf, error, 512)
        if not self._client:
            raise RuntimeError(error.value.decode())
        self._cluster = self._library.rd_kafka_handle_mock_cluster(self._client)
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)

    @property
    def brokers(self) -> str:
        """`host:port,host:port,…`"""
        return str(self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode())

    @contextmanager
    def away(self) -> Iterator[None]:
        """No broker answers meanwhile."""
        for broker in range(1, BROKERS + 1):
            self._library.rd_kafka_mock_broker_set_down(self._cluster, broker)
        try:
            yield
        finally:
            for broker in range(1, BROKERS + 1):
                self._library.rd_kafka_mock_broker_set_up(self._cluster, broker)

    def close(self) -> None:
        """End the cluster."""
        self._library.rd_kafka_destroy(self._client)


@pytest.fixture(scope="session")
def kafka_cluster() -> Iterator[KafkaCluster]:
    """The Kafka cluster that all tests share."""
    cluster = KafkaCluster()
    with pytest.MonkeyPatch.context() as patch:
        _let_followers_go_first(patch)
        yield cluster
    cluster.close()


def _let_followers_go_first(patch: pytest.MonkeyPatch) -> None:
    """Unlike a real one, the mock cluster refuses a group's members that ask for their part after their leader did."""
    lead = CoordinatorGroupRebalance._on_join_leader

    async def lead_later(self: CoordinatorGroupRebalance, response: Any) -> Any:
        await anyio.sleep(0.05)
        return await lead(self, response)

    patch.setattr(CoordinatorGroupRebalance, "_on_join_leader", lead_later)


def _library() -> ctypes.CDLL:
    package = Path(confluent_kafka.__file__).parent
    folders = (package.with_name("confluent_kafka.libs"), package / ".dylibs")
    library = ctypes.CDLL(str(next(path for folder in folders for path in folder.glob("librdkafka*"))))
    pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    for name, result, arguments in (
        ("rd_kafka_conf_new", pointer, ()),
        ("rd_kafka_conf_set", ctypes.c_int, (pointer, text, text, text, size)),
        ("rd_kafka_new", pointer, (ctypes.c_int, pointer, text, size)),
        ("rd_kafka_destroy", None, (pointer,)),
        ("rd_kafka_handle_mock_cluster", pointer, (pointer,)),
        ("rd_kafka_mock_cluster_bootstraps", text, (pointer,)),
        ("rd_kafka_mock_group_initial_rebalance_delay_ms", None, (pointer, ctypes.c_int32)),
        ("rd_kafka_mock_broker_set_down", ctypes.c_int, (pointer, ctypes.c_int32)),
        ("rd_kafka_mock_broker_set_up", ctypes.c_int, (pointer, ctypes.c_int32)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
