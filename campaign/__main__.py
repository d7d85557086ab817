"""``python -m campaign``: 2,000 notifications over three tenants against servers that misbehave; do the books balance?

Prints what came of it; ends with 1 when a notification is in no book, or a planted secret has been found anywhere.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

# Loopback is loopback, whatever proxy the machine has.
os.environ["NO_PROXY"] = "127.0.0.1"

from campaign.run import Campaign, Result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--notifications", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=float, default=0.4, help="share of connections that go wrong")
    arguments = parser.parse_args()
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="cloudact-notify-campaign-") as folder,
        Campaign(Path(folder), arguments.seed) as campaign,
    ):
        result = campaign.run(arguments.notifications, arguments.faults)
    _print(result)
    print(f"{arguments.notifications} notifications, seed {arguments.seed}, {time.monotonic() - began:.0f} s")
    return 1 if result.problems or result.leaks else 0


def _print(result: Result) -> None:
    for title, counted in (
        ("What the servers did", result.met),
        ("What came of the notifications", result.outcomes),
        ("What came of the dead letters", result.letters),
    ):
        print(f"\n{title}")
        for what, times in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
            print(f"  {times:6,}  {what}")
    print(f"\nBooks: {'balance' if not result.problems else f'{len(result.problems)} PROBLEMS'}")
    for problem in result.problems[:20]:
        print(f"  {problem}")
    print(
        f"Planted secrets: {'found nowhere' if not result.leaks else f'{len(result.leaks)} LEAKS'} ", end=""
    )
    print(f"({result.searched:,} characters of logs, rows, reports and messages searched)")
    for leak in result.leaks[:20]:
        print(f"  {leak}")


if __name__ == "__main__":
    sys.exit(main())
