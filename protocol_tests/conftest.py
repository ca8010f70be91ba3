"""Options of the protocol tests, and the conformance report."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol_tests.report import Report


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which server to test, and where to report."""
    group = parser.getgroup("conformance")
    group.addoption("--server", metavar="COMMAND", help="Test this server over stdio instead of ours.")
    group.addoption("--url", metavar="URL", help="Test the server at this URL; over SSE when it ends with /sse.")
    group.addoption("--conformance-report", metavar="FOLDER", help="Write conformance.md and conformance.json here.")
    group.addoption("--fuzz-messages", metavar="COUNT", type=int, default=20_000, help="How many to each transport.")
    group.addoption("--fuzz-seed", metavar="SEED", type=int, default=20241105, help="Makes the same messages again.")
    group.addoption("--fixture-plugins", metavar="FOLDER", help="Plugins of our server under test; default: fixtures.")


def pytest_configure(config: pytest.Config) -> None:
    """Register what marks the tests."""
    config.addinivalue_line("markers", "requirement(*ids): the requirements that a test covers")
    config.addinivalue_line("markers", "over(*transports): the transports on which a rule exists; default: all")
    folder = config.getoption("--conformance-report")
    if folder:
        other = config.getoption("--server") or config.getoption("--url")
        config.pluginmanager.register(Report(Path(folder), other), "conformance-report")
