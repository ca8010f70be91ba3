"""A catalogue used with commands alone, without a gateway that goes on running."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import closing
from pathlib import Path

from protocol_tests.gateways import run


def write_catalogue(path: Path, count: int) -> None:
    """Films, the last of which have a name of their own."""
    names = [*(f"Film {number}" for number in range(count - 2)), "The Heron", "The Heron"]
    lines = [
        json.dumps({"id": f"t{number}", "type": "movie", "title": name, "year": 1950 + number % 70, "popularity": 1.0})
        for number, name in enumerate(names)
    ]
    path.write_text("\n".join(lines))


def test_the_first_question_after_an_import_is_answered_from_all_of_it(tmp_path: Path) -> None:
    write_catalogue(tmp_path / "films.jsonl", 9000)
    home = {"MEDIA_GATEWAY_PLUGINS__SEARCH__START_SECONDS": "0", "MEDIA_GATEWAY_PLUGINS__SUGGEST__START_SECONDS": "0"}
    run("ingest", "jsonl", "films.jsonl", data_dir=tmp_path / "data", **home)

    found = run("call", "resolve_title", "name=The Heron", data_dir=tmp_path / "data", **home)
    counted = run("call", "search_titles", "query=films", data_dir=tmp_path / "data", **home)

    assert len(json.loads(found.stdout)["candidates"]) == 2
    assert json.loads(counted.stdout)["total"] == 9000
    assert "built" not in counted.stdout


def test_a_command_asks_no_other_server_of_its_own_accord(tmp_path: Path) -> None:
    asked = threading.Event()
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]

        def listen() -> None:
            try:
                listener.accept()
            except OSError:  # closed
                return
            asked.set()

        waiting = threading.Thread(target=listen, daemon=True)
        waiting.start()
        source = {
            "MEDIA_GATEWAY_PLUGINS__INGESTION__STREAMING_AVAILABILITY__KEY": "secret",
            "MEDIA_GATEWAY_PLUGINS__INGESTION__STREAMING_AVAILABILITY__BASE_URL": f"http://127.0.0.1:{port}",
        }
        answer = run("call", "list_platforms", data_dir=tmp_path / "data", **source)

        assert answer.returncode == 0, answer.stderr
        assert not asked.is_set()
