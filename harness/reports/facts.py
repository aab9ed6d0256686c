"""Training runs as plain data."""

from __future__ import annotations

from harness.training.run import Run


def run_facts(run: Run) -> dict[str, object]:
    """How networks were trained, for a manifest."""
    return {
        "width": run.width,
        "seeds": run.seeds,
        "learning_rate": run.learning_rate,
        "steps": int(run.steps[-1]),
        "method": run.method,
        "seconds": run.seconds,
        **run.metadata,
    }
