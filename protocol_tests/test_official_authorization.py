"""The official conformance suite's scenarios for authorization servers, for each way a client proves who it is.

The suite sends somebody to a browser; here that is a client that fills in the forms.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from protocol_tests.gateways import environment
from protocol_tests.sign_in import allow, free_port, signing_in_gateway
from protocol_tests.test_official_conformance import OFFICIAL, PACKAGES, REVISIONS, conformance, node, told

__all__ = ["node"]  # a fixture

VERSION = "0.2.0-alpha.12"
SCENARIOS = ("authorization-server-metadata-endpoint", "authorization-code-grant")
METHODS = ("none", "client_secret_post", "client_secret_basic")


@pytest.mark.parametrize("method", METHODS)
def test_the_gateway_passes_with_clients_that_prove_themselves_by(node: str, tmp_path: Path, method: str) -> None:
    """Every check succeeds, without a warning.

    The suite lets a client with a secret go without it where the metadata offer `none`, so the gateway offers only the
    method that is looked at.
    """
    with signing_in_gateway(tmp_path / "data", CLIENT_AUTHENTICATION=method) as gateway:
        port = free_port()
        client = registered(gateway.url, port, method)
        checks, output = run_suite(node, gateway.url, port, client, tmp_path / "results")

    assert {check["id"] for check in checks} == {
        "authorization-server-metadata", "authorization-server-metadata-cimd", "authorization-code-grant",
    }, output  # fmt: skip
    bad = [check for check in checks if check["status"] not in {"SUCCESS", "INFO"}]
    assert not bad, "\n\n".join(map(told, bad))


def test_no_scenario_for_authorization_servers_is_left_out(node: str) -> None:
    listed = conformance(node, VERSION, "list", "--authorization")
    lines = [line.split()[1:] for line in listed.partition("Authorization server")[2].splitlines()[1:] if " - " in line]
    names = [name for name, *revisions in lines if not name.startswith("auth/") and _is_ours(revisions)]

    assert sorted(names) == sorted(SCENARIOS)


def _is_ours(revisions: Sequence[str]) -> bool:
    return any(revision in "".join(revisions) for revision in REVISIONS)


def registered(url: str, port: int, method: str) -> dict[str, Any]:
    """Register the suite's client."""
    metadata = {"redirect_uris": [f"http://127.0.0.1:{port}/callback"], "token_endpoint_auth_method": method}
    return dict(httpx.post(f"{url}/register", json=metadata).raise_for_status().json())


def run_suite(
    node: str, url: str, port: int, client: dict[str, Any], results: Path
) -> tuple[list[dict[str, Any]], str]:
    """Run the suite, and sign in where it asks for that; its checks, and what it printed."""
    command = [
        node, str(OFFICIAL / "node_modules" / PACKAGES[VERSION] / "dist" / "index.js"), "authorization", "--url", url,
        "--client-id", client["client_id"], "--resource", f"{url}/mcp", "--port", str(port),
        "--output-dir", str(results), "--spec-version", REVISIONS[-1],
    ]  # fmt: skip
    secret = ["--client-secret", client["client_secret"]] if "client_secret" in client else []
    with subprocess.Popen(
        [*command, *secret], env=environment(NO_COLOR="1"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as suite:
        output = _signed_in(suite)
    checks = [check for file in results.glob("*/checks.json") for check in json.loads(file.read_text("utf-8"))]
    return checks, output


def _signed_in(suite: subprocess.Popen[str]) -> str:
    assert suite.stdout is not None
    output = ""
    for line in suite.stdout:
        output += line
        if found := re.match(r"(http://\S+/authorize\?\S+)", line):
            httpx.get(allow(found[1]))
    return output
