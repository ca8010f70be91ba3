"""What `serve` prints when it listens."""

from __future__ import annotations

import pytest

from mcp_gateway.cli.serve import announce


@pytest.mark.parametrize("guarded", [True, False])
def test_whether_people_have_to_sign_in_is_said(guarded: bool, capsys: pytest.CaptureFixture[str]) -> None:
    announce("http://127.0.0.1:8765", ["media-gateway", "serve"], guarded=guarded)

    told = capsys.readouterr().out
    assert "http://127.0.0.1:8765/mcp" in told
    assert ("media-gateway user add NAME" in told) == guarded
