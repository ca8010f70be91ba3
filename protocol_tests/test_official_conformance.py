"""The official conformance suite of the protocol, in two pinned versions, against one running gateway.

`scripts/test_clients.sh` installs the suite, and the Node.js that it needs. A case is a scenario; a run is all the
scenarios of a revision, which takes about two seconds.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from protocol_tests.gateways import ROOT, environment, http_gateway

OFFICIAL = ROOT / "protocol_tests" / "official"
PACKAGES = {"0.1.16": "conformance-latest", "0.2.0-alpha.12": "conformance-next"}
REVISIONS = ("2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
EXTENSIONS = "extensions"
LEAST_NODE = 22
RUN_SECONDS = 100

# Scenarios that may fail, with the reason: {("0.1.16", "2025-11-25", "ping"): "…"}. One that passes after all fails.
EXPECTED_FAILURES: Mapping[tuple[str, str, str], str] = {}

# What the suite lists, by version and revision.
SCENARIOS: Mapping[str, Mapping[str, Sequence[str]]] = json.loads((OFFICIAL / "scenarios.json").read_text("utf-8"))

# Checks that warn or are skipped without saying anything of us, by case.
EXPECTED_REMARKS: Mapping[tuple[str, str, str], set[str]] = {
    # It is skipped always, until the suite has rewritten it.
    ("0.2.0-alpha.12", "extensions", "tasks-status-notifications"): {"tasks-status-notifications"},
}


@dataclass(frozen=True)
class Run:
    """All scenarios of a revision, run.

    Attributes:
        checks: What each scenario checked.
        output: What the suite printed.
    """

    checks: Mapping[str, Sequence[Mapping[str, Any]]]
    output: str


RunSuite = Callable[[str, str], Run]


@pytest.fixture(scope="module")
def node() -> str:
    """Node.js, new enough for the suite."""
    machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    installed = OFFICIAL / "node_modules" / f"node-{platform.system().lower()}-{machine}" / "bin" / "node"
    found = str(installed) if installed.exists() else shutil.which("node")
    if not (OFFICIAL / "node_modules" / PACKAGES["0.1.16"]).exists():
        missing("the conformance suite is not installed; run scripts/test_clients.sh")
    if found is None or major_of(found) < LEAST_NODE:
        missing(f"the conformance suite needs Node.js {LEAST_NODE} or newer")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def run_suite(node: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunSuite]:
    """Runs the suite against a gateway with the fixture plugin, once for each version and revision."""
    folder = tmp_path_factory.mktemp("official")
    done: dict[tuple[str, str], Run] = {}
    with http_gateway(folder / "data", ["--plugins-dir", str(ROOT / "fixtures")]) as gateway:

        def run(version: str, revision: str) -> Run:
            if (version, revision) not in done:
                results = folder / f"{version}-{revision}"
                common = ["server", "--url", f"{gateway.url}/mcp", "--output-dir", str(results)]
                runs = arguments_of(revision, version)
                output = "".join(conformance(node, version, *common, *arguments) for arguments in runs)
                done[version, revision] = Run(checks_in(results), output)
            return done[version, revision]

        yield run


def arguments_of(revision: str, version: str) -> list[list[str]]:
    """What runs the scenarios: all of a revision together, those of extensions one by one."""
    if revision != EXTENSIONS:
        return [["--suite", "all", "--spec-version", revision]]
    return [["--scenario", name, "--spec-version", REVISIONS[-1], "--force"] for name in SCENARIOS[version][revision]]


def missing(reason: str) -> None:
    """Skip on a machine where the suite cannot be had; fail in CI."""
    pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


def major_of(node: str) -> int:
    """The major version of a Node.js."""
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return int(version.removeprefix("v").partition(".")[0])


def conformance(node: str, version: str, *arguments: str) -> str:
    """Run the suite's command; what it printed, whatever its exit code."""
    done = subprocess.run(
        [node, str(OFFICIAL / "node_modules" / PACKAGES[version] / "dist" / "index.js"), *arguments],
        env=environment(NO_COLOR="1"), capture_output=True, text=True, timeout=RUN_SECONDS, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def checks_in(results: Path) -> dict[str, list[dict[str, Any]]]:
    """The checks of each scenario; the suite saves them in `server-<scenario>-<time>/checks.json`."""
    found = {}
    for file in results.glob("*/checks.json"):
        name = file.parent.name.removeprefix("server-")
        found[name[: -len("-2026-01-01T00-00-00-000Z")]] = json.loads(file.read_text("utf-8"))
    return found


def told(check: Mapping[str, Any]) -> str:
    """A check that did not succeed, in words."""
    details = json.dumps(check.get("details"), indent=1)[:2000]
    return f"{check['status']} {check['id']}: {check['description']}\n{check.get('errorMessage', '')}\n{details}"


def cases() -> list[Any]:
    """A case for each scenario."""
    return [
        pytest.param(version, revision, scenario, marks=marks(version, revision, scenario))
        for version, revisions in SCENARIOS.items()
        for revision, scenarios in revisions.items()
        for scenario in scenarios
    ]


def marks(*case: str) -> list[pytest.MarkDecorator]:
    """Those of a case that may fail."""
    reason = EXPECTED_FAILURES.get((case[0], case[1], case[2]))
    return [pytest.mark.xfail(reason=reason, strict=True)] if reason else []


@pytest.mark.parametrize(("version", "revision", "scenario"), cases())
def test_the_gateway_passes(run_suite: RunSuite, version: str, revision: str, scenario: str) -> None:
    """Every check succeeds: warnings and skipped checks count as failures, but for the expected ones."""
    run = run_suite(version, revision)

    assert run.checks.get(scenario), f"the suite did not run it:\n{run.output[-3000:]}"
    bad = {check["id"]: check for check in run.checks[scenario] if check["status"] not in {"SUCCESS", "INFO"}}
    expected = EXPECTED_REMARKS.get((version, revision, scenario), set())
    assert bad.keys() == expected, "\n\n".join(told(check) for check in bad.values())
    assert all(bad[name]["status"] in {"WARNING", "SKIPPED"} for name in expected)


@pytest.mark.parametrize("version", PACKAGES)
def test_no_scenario_is_left_out(node: str, version: str) -> None:
    """Of the revisions that are run, the suite lists nothing else; and it lists nothing for others."""
    for revision in REVISIONS:
        listed = conformance(node, version, "list", "--server", "--spec-version", revision)
        names = sorted(line.split()[1] for line in listed.splitlines() if line.startswith("  - "))
        assert names == SCENARIOS[version].get(revision, [])
    listed = conformance(node, version, "list", "--server")
    names = sorted(line.split()[1] for line in listed.splitlines() if line.endswith("[extension]"))
    assert names == SCENARIOS[version].get(EXTENSIONS, [])


@pytest.mark.parametrize("version", PACKAGES)
def test_the_pinned_version_is_installed(node: str, version: str) -> None:
    manifest = json.loads((OFFICIAL / "node_modules" / PACKAGES[version] / "package.json").read_text("utf-8"))

    assert manifest["version"] == version
