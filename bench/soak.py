"""Run the soak of the server alone, as long as one likes.

    python bench/soak.py [--requests N]

The same as section ``serving_soak`` of run.py; ends with 1 where memory grows or a request fails.
"""

from __future__ import annotations

import argparse

from report import claims_table
from run import ROOT
from serving.soak import N_REQUESTS, measure_soak
from workplace import Workplace


def main() -> int:
    """Send the requests; return 1 where a claim fails."""
    parser = argparse.ArgumentParser(description="Send many requests and watch the memory.")
    parser.add_argument("--requests", type=int, default=N_REQUESTS)
    section = measure_soak(Workplace(ROOT, quick=False), parser.parse_args().requests)
    print(f"\n{claims_table([section]).text()}")
    return 0 if all(claim.holds for claim in section.claims) else 1


if __name__ == "__main__":
    raise SystemExit(main())
