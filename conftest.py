"""Settings of the whole test run."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the tests look for what can go wrong."""
    parser.addoption("--family-histories", metavar="COUNT", type=int, default=40, help="Of a sign-in, on each store.")


pytest_plugins = ["mcp_gateway.tests.servers"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio: the database drivers need it."""
    return "asyncio"
