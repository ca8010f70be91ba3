"""Settings of the whole test run."""

import pytest

pytest_plugins = ["mcp_gateway.tests.servers"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio: the database drivers need it."""
    return "asyncio"
