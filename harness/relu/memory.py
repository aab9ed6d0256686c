"""How many points fit: work is cut into chunks, and what cannot be cut is refused before it starts."""

from __future__ import annotations

import math
import os
from pathlib import Path

CHUNK_BYTES = 2**27


def rows_per_chunk(bytes_per_row: int) -> int:
    """Count the rows of a temporary array that keep it near 128 MiB (at least one)."""
    return max(1, CHUNK_BYTES // max(1, bytes_per_row))


def available_memory() -> int:
    """Bytes of main memory that a new array may take now.

    Linux tells what it can free without swapping; elsewhere half of the installed memory is assumed. A limit
    that a container sets on this process is respected.
    """
    report = Path("/proc/meminfo")
    if report.is_file():
        lines = dict(line.split(":", 1) for line in report.read_text().splitlines() if ":" in line)
        free = int(lines["MemAvailable"].split()[0]) * 1024
    else:
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    group = Path("/sys/fs/cgroup")
    limit, used = group / "memory.max", group / "memory.current"
    if limit.is_file() and used.is_file() and (text := limit.read_text().strip()).isdigit():
        free = min(free, max(0, int(text) - int(used.read_text())))
    return free


def largest_square(budget: int, linear: int, quadratic: int) -> int:
    """Solve ``quadratic n² + linear n ≤ budget`` for the largest whole ``n``."""
    return int((math.sqrt(linear**2 + 4 * quadratic * budget) - linear) / (2 * quadratic))


def require_memory(count: int, fitting: int, memory: int, task: str, remedy: str) -> None:
    """Refuse a task whose points do not fit.

    Raises
    ------
    ValueError
        If ``count`` exceeds ``fitting``; the message says how many fit.
    """
    if count > fitting:
        raise ValueError(
            f"{task} of {count} points does not fit into {memory / 2**30:.2f} GiB of memory: "
            f"{fitting} points fit; {remedy}"
        )
