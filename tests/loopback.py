"""Names for the hosts of one job on this machine: each test has addresses of its own."""

from __future__ import annotations

import random


def loopback_hosts(n_hosts: int) -> tuple[str, ...]:
    """Return sorted addresses that all lead here, so that one fixed port is free on each.

    Another run of the tests on this machine draws others.
    """
    drawn = random.SystemRandom()
    net = f"127.{drawn.randrange(1, 255)}.{drawn.randrange(256)}"
    return tuple(f"{net}.{number}" for number in range(1, n_hosts + 1))
