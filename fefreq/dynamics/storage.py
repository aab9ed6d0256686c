"""Dynamics as text."""

from __future__ import annotations

from fefreq.dynamics import AnyDynamics, Dynamics


def dynamics_to_json(dynamics: Dynamics) -> str:
    """Write dynamics as JSON."""
    from pydantic import TypeAdapter

    adapter: TypeAdapter[Dynamics] = TypeAdapter(AnyDynamics)
    return adapter.dump_json(dynamics).decode()


def dynamics_from_json(text: str) -> Dynamics:
    """Read dynamics from JSON, validated as in an experiment file."""
    from pydantic import TypeAdapter

    dynamics: Dynamics = TypeAdapter(AnyDynamics).validate_json(text)
    return dynamics
