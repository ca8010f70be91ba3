"""Clients that other people wrote go through all that they can do, on every transport that they know.

`scripts/test_clients.sh` installs them; `real_clients` has the table of what each can do. Each runs once, on all its
transports at the same time, and says what it saw; here it is judged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from protocol_tests.documents import DOCS
from protocol_tests.flows.real_clients import FIXTURES, REAL_CLIENTS, STEPS, RealClient
from protocol_tests.gateways import http_gateway

AT_A_TIME = 3
CASES = [(name, transport) for name, client in REAL_CLIENTS.items() for transport in client.revisions]
Runs = Mapping[str, Future[dict[str, Any]]]


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """The runs of the clients that the tests ask for, some at a time."""
    folder = tmp_path_factory.mktemp("clients")
    params = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    wanted = [name for name in REAL_CLIENTS if any(each.get("name") == name for each in params)]
    with http_gateway(folder / "data", FIXTURES) as gateway, ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {name: pool.submit(REAL_CLIENTS[name].run, gateway.url, folder / "data", folder) for name in wanted}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(("name", "transport"), CASES)
def test_a_client_takes_all_its_steps(name: str, transport: str, runs: Runs) -> None:
    client = REAL_CLIENTS[name]
    client.needed()

    seen = runs[name].result()[transport]

    failed = {step: told["failed"] for step, told in seen.items() if isinstance(told, dict) and "failed" in told}
    assert not failed
    assert set(seen) == client.steps
    assert seen.pop("connect") == {"name": "media-gateway", "revision": client.revisions[transport]}
    assert {step: seen.pop(step) for step in client.own} == client.own
    for step, told in seen.items():
        CHECKS[step](told)


def tools(told: list[str]) -> None:
    """Those of the gateway, of its plugins and of the fixtures, each once."""
    assert {"search_titles", "get_titles", "resolve_title", "test_tool_with_progress"} <= set(told)
    assert len(told) == len(set(told))


def resources(told: list[str]) -> None:
    assert {"gateway://health", "gateway://plugins", "test://watched-resource"} <= set(told)


def templates(told: list[str]) -> None:
    assert {"media://people/{id}", "media://titles/{id}", "test://template/{id}/data"} <= set(told)
    assert len(told) == len(set(told))


def prompts(told: list[str]) -> None:
    assert {"test_simple_prompt", "test_prompt_with_arguments"} <= set(told)


def call(told: dict[str, Any]) -> None:
    """The film first."""
    first = told["items"][0]
    assert (first["id"], first["title"], first["year"]) == ("tt0468569", "The Dark Knight", 2008)


def progress(told: dict[str, Any]) -> None:
    """Every report, in order, before the result; with its message where the revision has messages."""
    assert [report[:2] for report in told["reports"]] == [[0, 100], [50, 100], [100, 100]]
    messages = [(report[2:] or [None])[0] for report in told["reports"]]
    assert messages in ([None] * 3, [f"Completed step {done} of 100" for done in (0, 50, 100)])
    assert told["text"] == "Reported progress three times."


def read(told: dict[str, str]) -> None:
    """A resource of a template, with a film and with a variable."""
    film = json.loads(told["media://titles/tt0468569"])
    assert (film["title"], film["directors"]) == ("The Dark Knight", ["Christopher Nolan"])
    assert json.loads(told["test://template/7/data"]) == {"id": "7", "templateTest": True, "data": "Data for ID: 7"}


def prompt(told: str) -> None:
    assert told == "Prompt with arguments: arg1='paris', arg2='two'"


def complete(told: dict[str, list[str]]) -> None:
    """Few values, and no more than the hundred that clients accept."""
    assert told["template"] == ["123", "124"]
    assert told["prompt"] == ["paris", "park", "party"]
    assert told["many"] == [f"value-{number:03}" for number in range(100)]


def level(told: list[str]) -> None:
    """What is at the level or above."""
    assert told == ["warning", "error", "critical", "alert", "emergency"]


def subscribe(told: list[str]) -> None:
    assert told == ["test://watched-resource"]


def cancel(told: str) -> None:
    assert told == "stopped"


CHECKS: Mapping[str, Callable[[Any], None]] = {
    check.__name__: check
    for check in (
        tools, resources, templates, prompts, call, progress, read, prompt, complete, level, subscribe, cancel
    )
}  # fmt: skip


@pytest.mark.parametrize("name", REAL_CLIENTS)
def test_a_client_is_the_version_that_the_table_says(name: str) -> None:
    client = REAL_CLIENTS[name]
    locked = client.lock.read_text("utf-8")

    if client.lock.suffix == ".json":
        wanted = json.loads(locked)["dependencies"].items()
        assert client.version in {f"{package}@{version}".rpartition("npm:")[2] for package, version in wanted}
    else:
        assert f"\n{client.version} " in f"\n{locked}"


def test_every_step_is_taken_on_every_transport() -> None:
    for transport in ("stdio", "sse", "http"):
        taken = [client.steps for client in REAL_CLIENTS.values() if transport in client.revisions]
        assert set(STEPS) <= set().union(*taken)


def test_the_page_about_clients_says_what_the_table_says() -> None:
    page = (DOCS / "reference" / "clients.md").read_text("utf-8")
    expected = "\n".join(row(client) for client in REAL_CLIENTS.values())

    assert expected in page, f"the page must have these rows:\n{expected}"


def test_what_a_client_lacks_is_a_step() -> None:
    for client in REAL_CLIENTS.values():
        assert set(client.lacks) <= set(STEPS)


def row(client: RealClient) -> str:
    """A client as a row of the page's table."""
    agreed = sorted({revision or "2024-11-05" for revision in client.revisions.values()})
    lacks = ", ".join(step for step in STEPS if step in client.lacks) or "nothing"
    return f"| `{client.version}` | {', '.join(client.revisions)} | {', '.join(agreed)} | {lacks} |"
