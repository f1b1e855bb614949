#!/usr/bin/env python3
"""Print a ROS_DOMAIN_ID that nobody on this machine uses.

Domain D takes UDP ports from 7400 + 250 D (DDSI-RTPS 2.5, section 9.6.2); from 102 on they would lie among those
that Linux hands out to anybody.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

HIGHEST_DOMAIN = 101


def domains_in_use() -> set[int]:
    """Return the domains of which some UDP port is bound."""
    domains = set()
    for table in (Path("/proc/net/udp"), Path("/proc/net/udp6")):
        if table.exists():
            for line in table.read_text(encoding="ascii").splitlines()[1:]:
                port = int(line.split()[1].rpartition(":")[2], 16)
                domains.add((port - 7400) // 250)
    return domains


def free_domain() -> int:
    """Return one of the free domains, at random: two who ask at once should not get the same."""
    free = set(range(1, HIGHEST_DOMAIN + 1)) - domains_in_use()
    if not free:
        sys.exit(f"free_domain: all ROS domains from 1 to {HIGHEST_DOMAIN} are in use on this machine")
    return random.choice(sorted(free))


if __name__ == "__main__":
    print(free_domain())
