"""Operators by name; where there is a time, it is the last coordinate."""

from __future__ import annotations

from collections.abc import Sequence

from fefreq.operators.differential_operator import DifferentialOperator, derivatives


def laplacian(dim: int) -> DifferentialOperator:
    """The Laplacian ``Δ = Σ ∂_i²``, symbol ``-|2πξ|²``.

    >>> print(laplacian(2))
    ∂x² u + ∂y² u
    """
    d = derivatives(dim)
    return sum((partial**2 for partial in d[1:]), d[0] ** 2)


def helmholtz(wavenumber: float, dim: int) -> DifferentialOperator:
    """The Helmholtz operator ``Δ + k²`` of a wavenumber ``k`` in radians per unit length.

    >>> print(helmholtz(2.0, 1))
    ∂x² u + 4 u
    """
    return laplacian(dim) + wavenumber * DifferentialOperator.identity(dim) * wavenumber


def biharmonic(dim: int) -> DifferentialOperator:
    """The biharmonic operator ``Δ²`` of thin plates, symbol ``|2πξ|⁴``.

    >>> print(biharmonic(2))
    ∂x⁴ u + 2 ∂x² ∂y² u + ∂y⁴ u
    """
    return laplacian(dim) ** 2


def advection(velocity: float | Sequence[float]) -> DifferentialOperator:
    """Advection ``∂_t + v·∇`` with a constant velocity, in as many space coordinates as it has entries, and time.

    >>> print(advection(0.5))
    0.5 ∂x u + ∂t u
    """
    speeds = [velocity] if not isinstance(velocity, Sequence) else list(velocity)
    if not speeds:
        raise ValueError("a velocity has at least one entry, one for every space coordinate")
    *space, time = _space_and_time(len(speeds) + 1)
    return sum((speed * partial for speed, partial in zip(speeds, space, strict=True)), time)


def heat(diffusivity: float, dim: int) -> DifferentialOperator:
    """Diffusion ``∂_t - D Δ`` in ``dim - 1`` space coordinates and time.

    >>> print(heat(0.1, 2))
    -0.1 ∂x² u + ∂t u
    """
    *space, time = _space_and_time(dim)
    return sum((-diffusivity * partial**2 for partial in space), time)


def wave(speed: float, dim: int) -> DifferentialOperator:
    """Waves ``∂_t² - c² Δ`` of a speed ``c`` in ``dim - 1`` space coordinates and time.

    >>> print(wave(2.0, 2))
    -4 ∂x² u + ∂t² u
    """
    *space, time = _space_and_time(dim)
    return sum((-1.0 * (speed * partial) ** 2 for partial in space), time**2)


def _space_and_time(dim: int) -> tuple[DifferentialOperator, ...]:
    if dim < 2:
        raise ValueError(f"dim counts space coordinates and time, so that it is at least 2, not {dim}")
    space = ("x", "y", "z")[: dim - 1] if dim <= 4 else tuple(f"x{axis}" for axis in range(dim - 1))
    return derivatives(dim, (*space, "t"))
