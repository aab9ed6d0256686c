r"""Which initialisation to choose for given data, predicted without training.

For every density and scale the kernel flow (:mod:`fefreq.kernel.flow`) of an infinitely wide deep network
(:class:`fefreq.DeepFourierFeatures`) says what the network learns, and when, on samples that were left out:

.. math:: f_t(x) = K(x, X) \, K^{-1} \, (1 - e^{-tKq}) \, y .

A scale that is too small learns fine detail late; one that is too large fits the trained samples and makes up noise
between them.

Values are taken as they are: networks begin near zero and learn the mean first, and so does the kernel.

**How long is a training?** Where the kernel is narrower than the distance of samples, each sample is learned by
itself at the rate ``K(0) q``, with ``q`` the weight of a sample. The default times end at ten of these times,
where such a network has fitted what it is shown to ``e^{-10}``: that is the order of what a training of a few thousand
steps does.
"""

from __future__ import annotations

import time as clock
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from fefreq.densities.base import Density, positive
from fefreq.densities.gaussian import Gaussian
from fefreq.densities.laplace import Laplace
from fefreq.densities.log_uniform import LogUniform
from fefreq.densities.student_t import StudentT
from fefreq.densities.uniform import Uniform
from fefreq.fields.times import check_times
from fefreq.initialisation.scale.recommendation import Recommendation
from fefreq.initialisation.scale.table import Trial, best_choice, tabulated
from fefreq.kernel.flow import KernelFlow
from fefreq.models import DeepFourierFeatures
from fefreq.models.dual_activations import Activation
from fefreq.support.arrays import FloatArray, real_array
from fefreq.support.progress import Progress, task
from fefreq.targets.split import DEFAULT_SHARE, DataSplit, Holdout, split_grid, split_points
from fefreq.targets.target import Bounds

Family = Callable[[float, int], Density]

MULTIPLES = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)  # cycles per longest side, by default
LATE = 10.0  # times that a sample by itself takes
TIMES = 25
RTOL = 1e-3
STUDENT_DEGREES = 3.0


class AliasWarning(UserWarning):
    """Frequencies of a scale are beyond what the samples resolve."""


def recommend_scale(
    values: ArrayLike,
    bounds: Bounds | None = None,
    *,
    points: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    scales: Sequence[float] | None = None,
    family: str | Sequence[str] | Mapping[str, Family] = "gaussian",
    hidden_layers: int = 3,
    activation: Activation = "relu",
    holdout: Holdout | None = None,
    seed: int = 0,
    times: ArrayLike | None = None,
    peak: float | None = None,
    progress: Progress | None = None,
) -> Recommendation:
    """Predict for every scale how well a network on Fourier features would learn data and what lies between them.

    Parameters
    ----------
    values : array_like
        Samples at the cell centres of a box, axis ``i`` of the array along coordinate ``i``: a signal ``(n,)``, an
        image ``(h, w)`` or ``(h, w, 3)``, a volume; with ``points``, ``(n,)`` or ``(n, channels)``. A NaN is a missing
        sample.
    bounds : sequence of (lower, upper), optional
        The box of a grid, one pair per coordinate. Scales are in cycles per its unit of length.
    points : array_like, shape (n, d), optional
        Positions of scattered samples, instead of ``bounds``.
    weights : array_like, shape (n,), optional
        Quadrature weights of scattered samples; by default all count the same.
    mask : array_like of bool, optional
        True where there is a sample.
    scales : sequence of float, optional
        By default 1 to 32 per longest side of the box, as far as the samples resolve them.
    family : str, sequence of str, or mapping of str to callable
        Densities to try: "gaussian" (scale: standard deviation), "uniform" (half-width), "laplace" (scale of every
        axis), "student-t" (scale, three degrees of freedom), "log-uniform" (upper limit; the lower one is half a
        cycle per longest side), or functions of scale and dimension by names of your own.
    hidden_layers : int
        Layers between the features and the output; 0 trains output weights only.
    activation : {"relu", "erf", "sine", "tanh", "sigmoid", "gelu", "silu", "softplus"}
    holdout : "alternate" or float, optional
        Samples to judge by: on grids by default all but every second one along every axis, else a share, drawn at
        random; 0.25 of scattered points by default.
    seed : int
        Of the random share.
    times : array_like, shape (T,), optional
        Training times at which to judge; the last counts. By default up to a late time, see
        :mod:`fefreq.initialisation.scale.search`.
    peak : float, optional
        Largest difference of values for the signal-to-noise ratios; by default that of the samples.
    progress : Progress, optional
        Hears of every prediction.

    Returns
    -------
    Recommendation

    Warns
    -----
    AliasWarning
        If half of the frequencies of a scale are beyond what the trained samples resolve.

    Raises
    ------
    TypeError, ValueError
        If data or settings are unusable: what, and what would be right.

    Examples
    --------
    >>> x = (np.arange(128) + 0.5) / 128
    >>> wave = np.sin(2 * np.pi * (3 * x + 4 * x**2))
    >>> advice = recommend_scale(wave, [(0, 1)], scales=[1, 2, 4, 8, 16, 32])
    >>> advice.best.scale
    4.0
    """
    start = clock.perf_counter()
    if (bounds is None) == (points is None):
        raise ValueError("give either the bounds of a grid of samples or the points of scattered ones")
    if weights is not None and points is None:
        raise ValueError("weights are those of scattered points; on a grid mark missing samples by a mask")
    if points is not None:
        split = split_points(
            points, values, mask, DEFAULT_SHARE if holdout is None else holdout, seed, weights
        )
    else:
        assert bounds is not None
        split = split_grid(values, bounds, mask, "alternate" if holdout is None else holdout, seed)
    lengths = np.ptp(split.points, axis=0) if bounds is None else np.ptp(np.asarray(bounds, float), axis=1)
    longest = float(np.max(lengths))
    families = _families(family, longest)
    chosen = _default_scales(families, longest, split) if scales is None else _scales(scales)
    largest = split.peak if peak is None else positive(peak, "peak")
    models = {
        (name, scale): DeepFourierFeatures(make(scale, split.trained.dim), hidden_layers, activation)
        for name, make in families.items()
        for scale in chosen
    }
    _warn_of_aliases(models, split)
    at = check_times(_times(next(iter(models.values())), split) if times is None else times)
    trials: list[Trial] = []
    with task(progress, "predicting", len(models)) as told:
        for (name, scale), model in models.items():
            begun = clock.perf_counter()
            solution = KernelFlow(model, split.trained).solve(at, rtol=RTOL)
            curves = solution.held_out(split.points, split.values, extrapolate=True)
            trials.append(Trial(name, scale, curves, clock.perf_counter() - begun))
            told.advance()
    table = tabulated(
        trials,
        {
            "peak": largest,
            "hidden_layers": hidden_layers,
            "activation": activation,
            "longest_side": longest,
            "resolution": split.resolution,
            "trained_samples": split.count,
            "heldout_samples": len(split.points),
        },
    )
    # Solved once more rather than kept for every scale, as solutions are as large as the data at all times.
    best = best_choice(table)
    prediction = KernelFlow(models[best.family, best.scale], split.trained).solve(at, rtol=RTOL)
    table.attrs["seconds"] = clock.perf_counter() - start
    return Recommendation(table, split, prediction)


FAMILIES: dict[str, Family] = {
    "gaussian": Gaussian,
    "uniform": Uniform,
    "laplace": Laplace,
    "student-t": lambda scale, dim: StudentT(scale, STUDENT_DEGREES, dim),
}


def _families(family: str | Sequence[str] | Mapping[str, Family], longest: float) -> dict[str, Family]:
    if isinstance(family, Mapping):
        found = {str(name): _checked(str(name), make) for name, make in family.items()}
    elif isinstance(family, type) or not isinstance(family, Iterable):
        raise TypeError(
            f'family must be a name such as "gaussian", several names, or functions of scale and dimension by name '
            f'such as {{"mine": fefreq.Gaussian}}, not {family!r}'
        )
    else:
        known = {**FAMILIES, "log-uniform": lambda scale, dim: LogUniform(0.5 / longest, scale, dim)}
        names = [family] if isinstance(family, str) else list(family)
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ValueError(
                f"there is no family {unknown[0]!r}; there are {', '.join(known)}, and functions of scale and dimension"
            )
        found = {name: known[name] for name in names}
    if not found:
        raise ValueError(f"no family of densities was given; there are {', '.join(FAMILIES)} and log-uniform")
    return found


def _checked(name: str, make: Family) -> Family:
    """The same family, which refuses to make anything but densities of the dimension of the data."""
    if not callable(make):
        raise TypeError(
            f"family {name!r} must be a function of scale and dimension such as fefreq.Gaussian, not {make!r}"
        )

    def made(scale: float, dim: int) -> Density:
        density = make(scale, dim)
        if not isinstance(density, Density):
            raise TypeError(
                f"family {name!r} must make densities such as fefreq.Gaussian({scale:g}, {dim}), but made {density!r}"
            )
        if density.dim != dim:
            raise ValueError(
                f"family {name!r} made a density in {density.dim} dimension(s) for data in {dim}: pass on the dimension"
            )
        return density

    return made


def _default_scales(families: Mapping[str, Family], longest: float, split: DataSplit) -> list[float]:
    """Multiples of a cycle per longest side that no family aliases."""
    wanted = [float(f"{multiple / longest:.3g}") for multiple in MULTIPLES]
    fine = [
        s
        for s in wanted
        if not any(_aliases(make(s, split.trained.dim), split) for make in families.values())
    ]
    return fine or wanted[:1]


def _aliases(density: Density, split: DataSplit) -> bool:
    return density.radius(0.5) > split.resolution


def _scales(scales: Sequence[float]) -> list[float]:
    chosen = np.atleast_1d(real_array(np.asarray(scales), "scales"))
    if chosen.ndim != 1 or len(chosen) == 0 or np.any(chosen <= 0):
        raise ValueError(f"scales must be one or more positive numbers, not {np.asarray(scales).tolist()}")
    return sorted({float(scale) for scale in chosen})


def _times(model: DeepFourierFeatures, split: DataSplit) -> FloatArray:
    """From the time in which the mean of the data is learned to ten times that of a sample by itself."""
    total = float(np.sum(split.trained.weights))
    by_itself = split.count / (total * float(model.profile(np.zeros((1, model.dim)))[0]))
    return np.geomspace(by_itself / split.count, LATE * by_itself, TIMES)


def _warn_of_aliases(models: Mapping[tuple[str, float], DeepFourierFeatures], split: DataSplit) -> None:
    for family in dict.fromkeys(family for family, _ in models):
        beyond = [
            s for (name, s), model in models.items() if name == family and _aliases(model.density, split)
        ]
        if beyond:
            listed = ", ".join(f"{scale:g}" for scale in beyond)
            warnings.warn(
                f"{family} scales {listed} alias: half of their frequencies or more are above "
                f"{split.resolution:.4g} cycles per unit length, the most that the trained samples resolve, and "
                "cannot be told from lower ones",
                AliasWarning,
                stacklevel=3,
            )
