"""Catalogues, disks and streams that are damaged, full or gone: what is whole is kept, and nothing is half-written."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio
import httpx
import pytest

from protocol_tests.flows.refusals import DATABASE, ask, at_once, films, told, whole, written
from protocol_tests.gateways import COMMAND, environment, run


def test_a_damaged_archive_gives_what_is_whole_and_says_so(data_dir: Path, tmp_path: Path) -> None:
    packed = gzip.compress(films(500).encode())
    cut = written(tmp_path / "cut.jsonl.gz", packed[: len(packed) * 3 // 4])
    broken = written(tmp_path / "broken.jsonl.gz", packed[:-8] + bytes(8))
    plain = written(tmp_path / "plain.jsonl.gz", films(500))

    outcomes = [run("ingest", "jsonl", str(path), "--json", data_dir=data_dir) for path in (cut, broken, plain)]

    assert "cut.jsonl.gz: the gzip file is cut off: fetch it again, then run this again" in told(outcomes[0], 1)
    assert "broken.jsonl.gz: the gzip file is damaged: fetch it again" in told(outcomes[1], 1)
    reports = [json.loads(done.stdout) for done in outcomes]
    assert [report["complete"] for report in reports] == [False, False, True]
    assert 0 < reports[0]["created"] < 500
    assert ask(data_dir, "SELECT count(*) FROM titles WHERE id LIKE 'film%'") == [(500,)]


BAD_LINES = {
    b"\xfe\xff": "not UTF-8",
    b'{"id": "x", "title": "Am\xe9lie"}': "not UTF-8: byte 25",
    b'{"id": "x"': "not valid JSON",
    b"[" * 200_000: "not valid JSON: depth limit",
    b'{"id": "x", "more": "' + b"a" * 20_000_000 + b'"}': "longer than 1048576 bytes",
    b"[1, 2]": "must be a JSON object",
    b"12": "must be a JSON object",
    b'{"id": "x", "type": "movie", "title": "T"}': "year: ",
    b'{"id": "x", "type": "film", "title": "T", "year": 2000}': "type: ",
    b'{"id": "x", "type": "movie", "title": 5, "year": "MM"}': "title: ",
    b'{"id": "x", "type": "movie", "title": "T", "year": 2000, "cast": [{"nme": "A"}]}': "cast.0.name: ",
    b'{"id": "x", "type": "movie", "title": "a\\u0000b", "year": 2000}': "title: ",
    b'{"id": "x", "type": "movie", "title": "T", "year": 1e400}': "",
    b'{"id": "../x", "type": "movie", "title": "T", "year": 2000}': "id: ",
}


def test_bad_lines_are_rejected_with_their_reasons_and_the_rest_is_taken_in(data_dir: Path, tmp_path: Path) -> None:
    catalogue = written(tmp_path / "some.jsonl", films(1).encode() + b"\n".join(BAD_LINES) + b"\n" + films(3).encode())

    report = json.loads(run("ingest", "jsonl", str(catalogue), "--json", data_dir=data_dir).stdout)
    rejected = json.loads(run("call", "list_rejected_records", "limit=50", data_dir=data_dir).stdout)["items"]

    assert (report["created"], report["rejected"], report["complete"]) == (3, len(BAD_LINES), True)
    assert [item["line"] for item in rejected] == list(range(2, 2 + len(BAD_LINES)))
    unlike = {
        item["reason"]: part
        for item, part in zip(rejected, BAD_LINES.values(), strict=True)
        if part not in item["reason"]
    }
    assert not unlike


def test_an_empty_catalogue_is_a_failure_and_a_pipe_that_ends_in_a_line_is_taken_as_it_is(
    data_dir: Path, tmp_path: Path
) -> None:
    empty = run("ingest", "jsonl", str(written(tmp_path / "empty.jsonl", "")), "--json", data_dir=data_dir)
    half = run("ingest", "jsonl", "-", "--json", data_dir=data_dir, given=films(5)[:-20])

    assert (empty.returncode, json.loads(empty.stdout)["read"]) == (1, 0)
    assert "empty.jsonl: there is nothing in it to take in" in empty.stderr
    report = json.loads(half.stdout)
    assert (half.returncode, report["created"], report["rejected"]) == (0, 4, 1)


def test_an_import_that_is_interrupted_keeps_what_it_has_and_running_again_completes(data_dir: Path) -> None:
    lines = films(9000)
    process = subprocess.Popen(
        [COMMAND, "ingest", "jsonl", "-"],
        env=environment(MEDIA_GATEWAY_DATA_DIR=str(data_dir)),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stderr
    try:
        process.stdin.write(lines)
        process.stdin.flush()
        while not taken_in(data_dir):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)  # while it waits for more
        code = process.wait(timeout=30)
        message = process.stderr.read()
    finally:
        process.kill()
        process.communicate()

    assert (code, message) == (130, "media-gateway: Interrupted. What came before is kept; run it again to go on.\n")
    assert whole(data_dir)
    assert run("ingest", "jsonl", "-", data_dir=data_dir, given=lines).returncode == 0
    assert taken_in(data_dir) == 9000


def taken_in(folder: Path) -> int:
    [[count]] = ask(folder, "SELECT count(*) FROM titles WHERE id LIKE 'film%'")
    assert isinstance(count, int)
    return count


def test_a_full_disk_is_told_at_the_start(small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("1m")
    with pytest.raises(OSError, match="No space"):
        (disk / "filler").write_bytes(b"x" * 2_000_000)

    text = told(run("serve", data_dir=disk / "data"), 1)

    assert "the disk is full; make room" in text or "check the disk and the space on it" in text


def test_a_disk_that_fills_up_during_an_import_keeps_whole_batches_and_running_again_completes(
    prepared: Path, small_disk: Callable[[str], Path], tmp_path: Path
) -> None:
    catalogue = written(tmp_path / "films.jsonl", films(12_000))
    folder = Path(shutil.copytree(prepared, small_disk("9m") / "data"))

    text = told(run("ingest", "jsonl", str(catalogue), data_dir=folder), 1)

    assert "disk is full; make room" in text
    assert whole(folder)
    batches = {size for (size,) in ask(folder, "SELECT count(*) FROM titles WHERE id LIKE 'film%' GROUP BY revision")}
    assert len(batches) <= 1, "of each batch, all or nothing"
    larger = Path(shutil.copytree(folder, tmp_path / "larger"))
    again = run("ingest", "jsonl", str(catalogue), "--json", data_dir=larger)
    assert json.loads(again.stdout)["complete"]
    assert ask(larger, "SELECT count(*) FROM titles WHERE id LIKE 'film%'") == [(12_000,)]


def test_a_read_only_disk_is_told(prepared: Path, small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("9m")
    folder = Path(shutil.copytree(prepared, disk / "data"))
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)

    existing, new = (
        told(done, 1) for done in at_once(partial(run, "serve", data_dir=d) for d in (folder, disk / "new"))
    )

    assert f"{DATABASE} is read-only; make the file and its folder writable" in existing
    assert "new: the data folder cannot be created: Read-only file system" in new


def shell(command: str, data_dir: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of shell with the command as $0."""
    variables = environment(MEDIA_GATEWAY_DATA_DIR=str(data_dir))
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}", COMMAND],
        env=variables, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


STREAMS = {
    "$0 tools | head -1 || true": (0, ""),  # whether all was written before head went is a matter of chance
    "$0 plugin list | true": (1, ""),
    "$0 tools >&- 2>&-": (0, ""),
    "$0 call search_titles query=dune >&-": (0, ""),
    "$0 tools >/dev/full": (1, "No space left on device"),
    "$0 ingest jsonl - <&-": (2, "standard input is closed"),
    "$0 serve <&-": (1, "Standard input or output is closed"),
    "$0 serve >&-": (1, "Standard input or output is closed"),
    "$0 serve </dev/null 2>&-": (0, ""),
    "$0 db status --config /nowhere 2>/dev/full": (2, ""),
}


def test_streams_that_are_closed_or_gone_harm_nobody(data_dir: Path) -> None:
    outcomes = dict(zip(STREAMS, at_once(partial(shell, command, data_dir) for command in STREAMS), strict=True))

    for command, (code, said) in STREAMS.items():
        done = outcomes[command]
        assert done.returncode == code, (command, done)
        assert said in told(done, code) if said else done.stderr == "", command
    assert whole(data_dir), "nothing was printed into the database"


@pytest.mark.anyio
async def test_serving_goes_on_when_nobody_reads_the_address(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ours, theirs = os.pipe()
    os.close(ours)
    command = [COMMAND, "serve", "--transport", "http", "--port", str(port)]
    async with await anyio.open_process(
        command, env=environment(MEDIA_GATEWAY_DATA_DIR=str(data_dir)), stdout=theirs, stderr=subprocess.PIPE
    ) as process:
        os.close(theirs)
        with anyio.fail_after(60):
            while not await answers(port):
                assert process.returncode is None
            process.send_signal(signal.SIGINT)
            code = await process.wait()
            assert process.stderr
            log = b"".join([chunk async for chunk in process.stderr])

    assert (code, b"Traceback" in log) == (0, False)


async def answers(port: int) -> bool:
    async with httpx.AsyncClient() as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/healthz")).is_success
        except httpx.TransportError:
            return False
