"""Who is signed out under which rule: honest clients, who should not be, and thieves, who should.

Run with `python -m benchmarks.auth.bench_behaviours [--days 400]`. A model: see `client_behaviours`. Fails when our
rule signs out an honest client, or finds a thief later than it promises.
"""

from __future__ import annotations

import argparse
from statistics import mean

import anyio
from mcp_gateway_auth.tests.client_behaviours import CLIENTS, THIEVES, Behaviour, Theft, luck, never_saves, theft

from .rules import RULES


async def main(days: int) -> None:
    """Print the table."""
    print(f"{days} days each; access tokens live for 300 s")
    print(f"{'':52}" + "".join(f"{name:>22}" for name in RULES))
    for name, behaviour in CLIENTS.items():
        shares = {rule: await signed_out(rule, behaviour, days) for rule in RULES}
        print(f"{name:52}" + "".join(f"{f'{share:.1%} signed out':>22}" for share in shares.values()))
        assert shares["ours"] == 0 or behaviour is never_saves
    for name, pace in THIEVES.items():
        thefts = {rule: [await theft(RULES[rule](), luck(day), pace=pace) for day in range(days)] for rule in RULES}
        print(f"{name:52}" + "".join(f"{found(each):>22}" for each in thefts.values()))
        assert all(is_in_time(each) for each in thefts["ours"])
        in_step = sum(each.in_step for each in thefts["ours"])
        latest = max(each.found or float("inf") for each in thefts["ours"])
        print(f"{'':4}ours: {in_step} began in step with the victim; the last was found after {latest:,.0f} s")


async def signed_out(rule: str, behaviour: Behaviour, days: int) -> float:
    """The share of days on which the client was signed out."""
    ends = [await behaviour(RULES[rule](), luck(day)) for day in range(days)]
    return sum(end is not None for end in ends) / days


def found(thefts: list[Theft]) -> str:
    """How many thieves were found, and when on average."""
    times = [each.found for each in thefts if each.found is not None]
    share = len(times) / len(thefts)
    return f"{share:.1%} after {mean(times):.0f} s" if times else "none"


def is_in_time(each: Theft) -> bool:
    """Within a day at the latest; by what is promised, unless thief and victim ask as racing processes do."""
    return each.found is not None and (each.in_step or each.found <= each.due)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=400)
    anyio.run(main, parser.parse_args().days)
