"""How long the parts of a study take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Timings:
    """Seconds by what they were spent on."""

    seconds: dict[str, float] = field(default_factory=dict)
    prefix: str = ""

    def named(self, name: str) -> Timings:
        """Timings that are added to these under a name."""
        return Timings(self.seconds, f"{name}: ")

    @contextmanager
    def during(self, what: str) -> Iterator[None]:
        """Measure a block."""
        start = time.perf_counter()
        yield
        self.seconds[self.prefix + what] = time.perf_counter() - start
