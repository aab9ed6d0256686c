r"""The kernel as a Fourier series on the domain of an equation, fine enough for operators to act on it.

An operator on the first argument of a kernel and one on the second multiply the coefficients of its series by ``p`` and
``p̄'``: with ``κ(x - y) = Σ_k c_k e^{2πi k·(x-y)/P}`` for all separations in the domain,

.. math:: ℒ_x ℒ'_y \, κ(x - y) = \sum_k c_k \, p(k/P) \, \overline{p'(k/P)} \, e^{2πi k·(x-y)/P} .

So one series serves all rows of a problem. It has to be resolved to rounding, since symbols amplify its tail; modes
that do not count even then are dropped. Densities with heavy tails give a kernel to which an operator cannot be applied
at all, and are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fefreq.kernel.fourier_expansion import Resolution, expand, resolve
from fefreq.kernel.products import Part, parts_of
from fefreq.models import Model
from fefreq.operators import DifferentialOperator
from fefreq.support.arrays import ComplexArray, FloatArray

FINEST = {1: 1e-15, 2: 1e-15, 3: 1e-12}  # by dimension: what the window of the series may leave
ROUNDING = float(np.finfo(np.float64).eps)
UNDECIDED = 1e-3  # share that the outermost eighth of the modes may have with an operator
BYTES_PER_MODE = 16
TABLES = 6  # of that size, while the series is computed


@dataclass(frozen=True, eq=False)
class RowSeries:
    """Coefficients of the parts of a kernel.

    Attributes
    ----------
    centre : ndarray, shape (d,)
        Middle of the domain, from which positions count.
    period : ndarray, shape (d,)
    modes : tuple of int
        Odd numbers of modes along the axes.
    parts : list of (bool, ndarray of complex, shape (1 or 2, N_1, …, N_d))
        Whether a part depends on ``x + y``; coefficients of the constant and of the linear factor.
    """

    centre: FloatArray
    period: FloatArray
    modes: tuple[int, ...]
    parts: list[tuple[bool, ComplexArray]]

    @property
    def linear(self) -> bool:
        """Whether there is a factor ``x·y``: frequencies are trained."""
        return any(len(series) == 2 for _, series in self.parts)

    @property
    def frequencies(self) -> FloatArray:
        """Frequencies ``k/P`` of all modes, shape ``(N, d)``."""
        axes = [np.arange(-(n // 2), n // 2 + 1) / p for n, p in zip(self.modes, self.period, strict=True)]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))

    def power(self, operator: DifferentialOperator) -> float:
        """Bound ``Σ_k |c_k| |p(k/P)|²`` of what the constant part of the kernel has for rows of an operator."""
        symbol = np.abs(operator.symbol(self.frequencies)) ** 2
        return float(sum(np.sum(np.abs(series[0]).ravel() * symbol) for _, series in self.parts))


def make_series(
    model: Model,
    box: FloatArray,
    operators: Sequence[DifferentialOperator],
    max_bytes: float,
    spacing: FloatArray | None = None,
    stretch: float = 1.0,
) -> RowSeries:
    """Expand a kernel on a box.

    Parameters
    ----------
    model : Model
    box : ndarray, shape (d, 2)
        Holds all points.
    operators : sequence of DifferentialOperator
        That are going to act.
    max_bytes : float
        Memory that the computation may take.
    spacing : ndarray, shape (d,), optional
        Of a grid that periods should be multiples of.
    stretch : float
        Factor of the periods, for a series that differs from another one.

    Raises
    ------
    ValueError
        If the kernel is not smooth enough for the operators, or its series does not fit into memory.
    """
    parts = parts_of(model)
    finest = FINEST[len(box)]
    widths = np.asarray(box[:, 1] - box[:, 0])
    widths = np.maximum(widths, 1e-3 * np.max(widths))
    centre = box.mean(axis=1)
    offsets = [2.0 * centre if part.reflected else np.zeros_like(centre) for part in parts]
    functions = [_Factors(part) for part in parts]
    most = int((max_bytes / (BYTES_PER_MODE * TABLES * 2 * len(parts))) ** (1 / len(widths)))
    pairs = list(zip(functions, offsets, strict=True))
    found = resolve(pairs, widths, finest, most)
    if found is None:
        raise ValueError(
            f"the kernel of this model on the domain has no Fourier series of {most} or fewer modes along every axis: "
            "differential equations need a density with light tails, such as fefreq.Gaussian, a scale that suits the "
            "domain, or more memory"
        )
    resolutions = [_fitted(r, stretch, None if spacing is None else spacing[i]) for i, r in enumerate(found)]
    series = [
        (part.reflected, expand(f, offset, widths, resolutions, finest).coefficients)
        for part, (f, offset) in zip(parts, pairs, strict=True)
    ]
    whole = RowSeries(
        centre, np.array([r.period for r in resolutions]), tuple(r.modes for r in resolutions), series
    )
    return _trimmed(whole, operators)


class _Factors:
    """The two factors ``Σ a κ`` and ``Σ b κ`` of a part ``(a + b x·y) κ`` as functions of the separation."""

    def __init__(self, part: Part) -> None:
        self._part = part

    def __call__(self, separations: FloatArray) -> FloatArray:
        result = np.zeros((2 if self._part.linear else 1, len(separations)))
        for term in self._part.terms:
            profile = term.profile(separations)
            result[0] += term.constant * profile
            if self._part.linear:
                result[1] += term.linear * profile
        return result


def _fitted(resolution: Resolution, stretch: float, spacing: float | None) -> Resolution:
    """A longer period with modes up to the same frequency, or beyond it if the period is stretched."""
    period = stretch * resolution.period
    if spacing is not None:
        period = spacing * np.ceil(period / spacing - 1e-9)
    highest = int(np.ceil(resolution.modes // 2 * stretch * period / resolution.period))
    return Resolution(float(period), 2 * highest + 1)


def _trimmed(series: RowSeries, operators: Sequence[DifferentialOperator]) -> RowSeries:
    """Without rounding in the tail, and without modes that count for no operator.

    Raises
    ------
    ValueError
        If the tail counts more than all the rest for one of them.
    """
    for _, coefficients in series.parts:
        for table in coefficients:
            table[np.abs(table) < ROUNDING * np.max(np.abs(table), initial=0.0)] = 0.0
    total = sum(np.abs(table) for _, coefficients in series.parts for table in coefficients)
    xi = series.frequencies
    shares = [_shares(np.asarray(total), xi, operator) for operator in operators]
    kept = []
    for axis, n in enumerate(series.modes):
        others = tuple(i for i in range(len(series.modes)) if i != axis)
        highest = 0
        for operator, share in zip(operators, shares, strict=True):
            line = share.sum(axis=others)
            folded = line[n // 2 :] + np.append(0.0, line[: n // 2][::-1])  # by |k|
            beyond = np.cumsum(folded[::-1])[::-1]  # what |k| and more have
            if len(beyond) > 16 and beyond[len(beyond) * 7 // 8] > UNDECIDED:
                raise ValueError(
                    f"the kernel of this model is not smooth enough for {operator}: its highest frequencies decide; "
                    "choose a density with lighter tails, such as fefreq.Gaussian, or a smoother activation"
                )
            highest = max(highest, int(np.count_nonzero(beyond > ROUNDING)) - 1)
        kept.append(max(highest, 1))
    inner = tuple(
        slice(max(n // 2 - k, 0), n // 2 + min(k, n // 2) + 1)
        for n, k in zip(series.modes, kept, strict=True)
    )
    parts = [(flag, np.ascontiguousarray(c[(slice(None), *inner)])) for flag, c in series.parts]
    return RowSeries(series.centre, series.period, parts[0][1].shape[1:], parts)


def _shares(total: FloatArray, xi: FloatArray, operator: DifferentialOperator) -> FloatArray:
    """Share of every mode in what the kernel has for rows of an operator."""
    power = total * (np.abs(operator.symbol(xi)) ** 2).reshape(total.shape)
    whole = np.sum(power)
    return np.asarray(power / whole if whole > 0 else power)
