"""A list that was taken in without its country is taken back, as a user does it."""

from __future__ import annotations

import json
from pathlib import Path

from protocol_tests.flows.refusals import ask, told, written
from protocol_tests.gateways import run

LIST = """\
show_id,type,title,director,cast,country,date_added,release_year,rating,duration,listed_in,description
s1,Movie,Harbour Lights,,Ann Oh,,"May 1, 2021",2020,PG,90 min,Dramas,A film.
s2,TV Show,Night Bakers,,Cy Ro,,"May 1, 2021",2021,TV-14,2 Seasons,TV Dramas,A series.
"""
LIVE = (
    "SELECT count(*), min(region), min(observed_at) FROM offers WHERE source = 'platform:netflix' AND ended_at IS NULL"
)


def test_offers_of_a_list_are_withdrawn_and_come_again_with_their_country(data_dir: Path, tmp_path: Path) -> None:
    path = str(written(tmp_path / "netflix.csv", LIST))
    ingest = ("ingest", "platform:netflix", path, "--observed-at", "2021-06-01")
    nowhere = ("withdraw", "platform:netflix", "--region", "none")
    assert run(*ingest, data_dir=data_dir).returncode == 0

    tried = run(*nowhere, "--dry-run", data_dir=data_dir)
    before = ask(data_dir, LIVE)
    gone = run(*nowhere, "--json", data_dir=data_dir)
    again = run(*nowhere, data_dir=data_dir)
    assert run(*ingest, "--region", "us", data_dir=data_dir).returncode == 0

    assert tried.stdout == "netflix, no known country: 2 offers\n2 offers would go.\n"
    assert before == [(2, "", "2021-06-01 00:00:00.000000")]
    assert json.loads(gone.stdout) == [{"platform": "netflix", "region": "", "offers": 2}]
    assert "'platform:netflix' has no offers in the catalogue" in told(again, 2)
    assert ask(data_dir, LIVE) == [(2, "US", "2021-06-01 00:00:00.000000")]
    assert "is in the future" in told(run(*ingest[:-1], "2999-01-01", data_dir=data_dir), 2)
