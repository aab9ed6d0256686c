"""What fits into memory, asked before it is taken: a sentence instead of a killed process."""

from __future__ import annotations

import os
from pathlib import Path

# What other programs and the interpreter may need meanwhile.
USABLE_SHARE = 0.8


def available_memory() -> int | None:
    """Bytes that this process may still take, None where the system does not tell.

    The smallest of what the system reports as available, and what a control group leaves to the process.
    """
    limits = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        limits += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
        group = Path("/sys/fs/cgroup")
        most = (group / "memory.max").read_text(encoding="ascii").strip()
        if most != "max":
            limits.append(int(most) - int((group / "memory.current").read_text(encoding="ascii")))
    except OSError:
        pass
    if limits:
        return max(min(limits), 0)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return None


def usable_memory() -> float:
    """Bytes that one computation should plan with; infinite where the system does not tell."""
    available = available_memory()
    return float("inf") if available is None else USABLE_SHARE * available


def require_memory(needed: float, what: str, remedy: str) -> None:
    """Insist that something fits into memory before it is allocated.

    Parameters
    ----------
    needed : float
        Bytes.
    what, remedy : str
        Subject of the sentence, and what the caller can change.

    Raises
    ------
    ValueError
        If it does not fit.
    """
    usable = usable_memory()
    if needed > usable:
        raise ValueError(
            f"{what} would take {gigabytes(needed)} of memory, but {gigabytes(usable)} can be used: {remedy}"
        )


def gigabytes(count: float) -> str:
    """Bytes in words, such as ``1.5 GB``."""
    return f"{count / 1e9:.2g} GB" if count >= 1e7 else f"{count / 1e6:.2g} MB"
