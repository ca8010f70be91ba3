"""The account itself, without a server: a fault in it is a fault that no server has, or one that nobody sees."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import orjson
import pytest

from mcp_gateway.protocol.messages import Request
from mcp_gateway.transports.framing import parse
from protocol_tests.hostile.ledger import Ledger
from protocol_tests.hostile.oracle import MAX_SAFE_ID, owed_for

# Of those beyond what a signed integer of 64 bits holds some are read and some are not; all may be answered with null.
BEYOND = [-MAX_SAFE_ID, 2 * MAX_SAFE_ID, 2 * MAX_SAFE_ID - 1]
ORDERS = list(permutations(BEYOND))


def ping(request_id: int) -> bytes:
    return f'{{"jsonrpc":"2.0","id":{request_id},"method":"ping"}}'.encode()


def answer(request_id: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "result": {}}


def refusal(request_id: object) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": -32600, "message": "no"}}


def answer_of_ours(text: bytes) -> dict[str, Any]:
    """As the gateway gives it: with the id, if it could be read."""
    message = parse(text)
    return answer(message.id) if isinstance(message, Request) else refusal(None)


def balance(sent: list[bytes], received: list[dict[str, Any]]) -> list[str]:
    ledger = Ledger()
    for text in sent:
        ledger.owe(text, owed_for(text))
    for message in received:
        ledger.take(message)
    return [*ledger.faults, *ledger.balance()]


@pytest.mark.parametrize("order", ORDERS)
def test_an_answer_with_null_is_left_to_the_request_that_has_no_other(order: tuple[int, ...]) -> None:
    sent = [ping(number) for number in order]

    assert not balance(sent, [answer_of_ours(text) for text in sent])


@pytest.mark.parametrize("order", ORDERS)
def test_a_missing_answer_is_missed_whatever_else_was_answered_with_null(order: tuple[int, ...]) -> None:
    sent = [ping(number) for number in order]

    for lost in range(len(sent)):
        answers = [answer_of_ours(text) for text in sent]
        del answers[lost]

        assert len(balance(sent, answers)) == 1


def test_an_answer_that_nobody_asked_for_is_noticed() -> None:
    sent = [ping(number) for number in BEYOND]
    answers = [answer_of_ours(text) for text in sent]

    assert len(balance(sent, [*answers, refusal(None)])) == 1
    assert len(balance(sent, [*answers, answer(BEYOND[0])])) == 1


def test_ids_that_are_equal_only_in_python_are_not_the_same() -> None:
    received = [orjson.loads(orjson.dumps(answer(number))) for number in (1.0, True)]

    assert balance([ping(1)], received[:1])
    assert balance([ping(1)], received[1:])
