"""Mixtures of densities."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from fefreq.densities.base import Density, draws, positive
from fefreq.support.arrays import FloatArray


@dataclass(frozen=True)
class Mixture(Density):
    """Weighted mean of densities of one dimension, ρ = Σ_i p_i ρ_i and κ = Σ_i p_i κ_i.

    Parameters
    ----------
    components : sequence of Density
        At least one; mixtures may be nested.
    weights : sequence of float, optional
        One positive number per component, stored divided by their sum; equal if absent.

    Raises
    ------
    TypeError
        If a component is no density.
    ValueError
        If there is no component, their dimensions differ, or weights are not positive, finite and one per
        component.

    Examples
    --------
    >>> from fefreq.densities.gaussian import Gaussian
    >>> Mixture((Gaussian(1.0), Gaussian(10.0))).weights
    (0.5, 0.5)
    """

    components: tuple[Density, ...]
    weights: tuple[float, ...] | None = None
    kind: Literal["mixture"] = field(default="mixture", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.components, Iterable):
            raise TypeError(f"components must be a sequence of densities, not {self.components!r}")
        components = tuple(self.components)
        if not components:
            raise ValueError("a mixture needs at least one component")
        for component in components:
            if not isinstance(component, Density):
                raise TypeError(f"components must be densities such as Gaussian(3.0), not {component!r}")
        dims = {component.dim for component in components}
        if len(dims) > 1:
            raise ValueError(f"components must share one dimension, but they have dimensions {sorted(dims)}")
        weights = (1.0,) * len(components) if self.weights is None else tuple(self.weights)
        if len(weights) != len(components):
            raise ValueError(
                f"weights must be one per component: {len(components)}, but there are {len(weights)}"
            )
        weights = tuple(positive(weight, f"weights[{i}]") for i, weight in enumerate(weights))
        total = math.fsum(weights)
        # Weights that sum to one already are kept to the bit: a stored mixture is read back unchanged.
        if abs(total - 1.0) > 1e-14:
            weights = tuple(weight / total for weight in weights)
        self._store(components=components, weights=weights)

    @property
    def dim(self) -> int:
        """Dimension shared by the components."""
        return self.components[0].dim

    def pdf(self, frequencies: ArrayLike) -> FloatArray:
        """Evaluate ρ; see :meth:`Density.pdf`."""
        return self._average([component.pdf(frequencies) for component in self.components])

    def sample(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Draw frequencies, each from a component of its own; see :meth:`Density.sample`."""
        count = draws(count, rng)
        label = rng.choice(len(self.components), size=count, p=self.weights)
        result = np.empty((count, self.dim))
        for i, component in enumerate(self.components):
            mine = label == i
            result[mine] = component.sample(int(np.count_nonzero(mine)), rng)
        return result

    def characteristic(self, separations: ArrayLike) -> FloatArray:
        """Evaluate κ; see :meth:`Density.characteristic`."""
        return self._average([component.characteristic(separations) for component in self.components])

    def mass_within(self, radius: float) -> float:
        """Mass of a ball: the weighted mean over the components."""
        return float(
            self._average([np.array(component.mass_within(radius)) for component in self.components])
        )

    @property
    def support_radius(self) -> float:
        """Largest support radius of a component."""
        return max(component.support_radius for component in self.components)

    @property
    def support_box(self) -> tuple[float, ...]:
        """Largest half-widths over the components."""
        return tuple(max(widths) for widths in zip(*(c.support_box for c in self.components), strict=True))

    @property
    def breakpoints(self) -> tuple[float, ...]:
        """Breakpoints of all components."""
        return tuple(sorted({b for component in self.components for b in component.breakpoints}))

    @property
    def maximum(self) -> float:
        """Supremum: at a candidate of a component, improved by search if one is tabulated."""
        position, spacing = self.peak_candidates()
        values = self.pdf(position)
        centre, best = position[np.argmax(values)], float(np.max(values))
        if spacing == 0.0:
            return best
        offsets = np.stack(np.meshgrid(*[np.linspace(-1.0, 1.0, 9)] * self.dim, indexing="ij"), axis=-1)
        offsets = offsets.reshape(-1, self.dim)
        while spacing > 1e-9 * float(np.max(np.abs(position))):
            around = centre + spacing * offsets
            values = self.pdf(around)
            centre, best = around[np.argmax(values)], max(best, float(np.max(values)))
            spacing /= 3.0
        return best

    def peak_candidates(self) -> tuple[FloatArray, float]:
        """Candidates of all components, with the widest spacing among them."""
        positions, spacings = zip(
            *(component.peak_candidates() for component in self.components), strict=True
        )
        return np.unique(np.concatenate(positions), axis=0), max(spacings)

    def _average(self, parts: Sequence[FloatArray]) -> FloatArray:
        """Weighted sum over the components, which are the first axis of ``parts``."""
        return np.asarray(np.tensordot(np.array(self.weights), np.stack(parts), axes=1), dtype=np.float64)
