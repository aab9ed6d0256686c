r"""Trained networks as error fields: :func:`train`, and what it returns, a :class:`Run`.

The networks of an ensemble start from independent draws and see the same data. Each remembers its residual
``u(x, t) = f(x) - N(x; θ_t)`` at the requested training times ``t = Σ η``. The spectrum of a residual at any
frequency is one non-uniform Fourier transform, and the mean over the members stands for the ensemble.

>>> import numpy as np, fefreq
>>> target = fefreq.Target.from_function(lambda x: np.exp(-8 * x[:, 0] ** 2), bounds=[(-1, 1)], shape=64)
>>> run = train(fefreq.FourierFeatures(fefreq.Gaussian(2.0)), target, width=200, times=[0, 1, 10], seeds=2)
>>> run.residuals.shape, run.at([0.0, 1.0]).shape
((2, 3, 64), (3, 2))
>>> bool(np.all(np.diff(run.losses, axis=1) < 0))
True
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fefreq.dynamics.intervals import Interval, schedule
from fefreq.fields.times import check_times
from fefreq.models import Model
from fefreq.support.arrays import ComplexArray, FloatArray, as_points
from fefreq.support.progress import Progress
from fefreq.targets.target import Target

if TYPE_CHECKING:
    from harness.networks import ModuleSpec
    from harness.training.checkpoints import Checkpoints

Start = Literal["antisymmetric", "plain"]
Precision = Literal["float64", "float32"]
Device = Literal["cpu", "cuda"]
Method = Literal["auto", "dense", "transform"]

# Share of the stability limit that is taken where no learning rate is given. Steps of size η change a mode of
# rate λ by at most 0.18 ηλ of its start, so by 4 % for the fastest one and less for all others.
DEFAULT_SHARE = 0.1
# Complex numbers that one transform of residuals may hold at once.
SPECTRUM_ENTRIES = 1 << 24

Setting = str | int | float


@dataclass(frozen=True, eq=False)
class Run:
    """Residuals of an ensemble of trained networks; an :class:`fefreq.ErrorField`.

    Attributes
    ----------
    model : Model or ModuleSpec
        What was trained: two layers with a theory, or any network of :mod:`harness.networks`.
    target : Target
        The data, its values what the networks were to learn.
    times : ndarray, shape (T,)
        Training times of the snapshots.
    residuals : ndarray, shape (S, T, n) or (S, T, n, channels)
        ``u = f - N`` of every member at the points of the target.
    initial_residuals : ndarray, shape (S, n) or (S, n, channels)
        The same before the first step.
    losses : ndarray, shape (S, T)
        ``½ Σ_j q_j |u(x_j)|²``, summed over channels.
    steps : ndarray of int, shape (T,)
        Steps taken until each snapshot.
    rates : ndarray, shape (T,)
        Size of the steps that led to each snapshot, at most ``learning_rate``; 0 where there was none.
    width, seeds : int
        Neurons of a network, and number of networks.
    learning_rate : float
        Upper bound of the steps.
    method : str
        How gradients were computed: ``dense`` or ``transform`` sums of waves, or ``autograd``.
    seconds : float
        Time that training took.
    metadata : dict
        Seed, start, precision, device, threads, versions.
    """

    model: Model | ModuleSpec
    target: Target
    times: FloatArray
    residuals: FloatArray
    initial_residuals: FloatArray
    losses: FloatArray
    steps: NDArray[np.int64]
    rates: FloatArray
    width: int
    seeds: int
    learning_rate: float
    method: str
    seconds: float
    metadata: dict[str, Setting]

    def at(self, frequencies: ArrayLike) -> ComplexArray:
        """Spectrum of the mean residual of the ensemble.

        Parameters
        ----------
        frequencies : array_like, shape (F, d)
            In cycles per unit length.

        Returns
        -------
        ndarray of complex, shape (T, F) or (T, F, channels)
        """
        return self._spectra(self.residuals.mean(axis=0), frequencies)

    def members_at(self, frequencies: ArrayLike) -> ComplexArray:
        """Spectrum of the residual of every member, shape ``(S, T, F)`` or ``(S, T, F, channels)``."""
        return np.stack([self._spectra(member, frequencies) for member in self.residuals])

    @cached_property
    def initial(self) -> Target:
        """The mean residual before the first step, as measured: what a prediction has to start from."""
        return self.target.with_values(self.initial_residuals.mean(axis=0))

    @cached_property
    def initial_members(self) -> tuple[Target, ...]:
        """The residual of every member before the first step."""
        return tuple(self.target.with_values(values) for values in self.initial_residuals)

    def save(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write everything to one NetCDF file, atomically; :meth:`load` reads it back.

        Raises
        ------
        FileExistsError
            If the file exists and ``overwrite`` is false.
        """
        from harness.training.run_files import save

        return save(self, Path(path), overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """Read a run that was saved, or what was recorded so far in a folder of checkpoints.

        Raises
        ------
        ValueError
            If the file is missing, cannot be read or holds no run.
        """
        from harness.training.run_files import load

        return load(Path(path))

    def _spectra(self, residuals: FloatArray, frequencies: ArrayLike) -> ComplexArray:
        """Spectra of residuals ``(T, n, …)``, many times in one transform."""
        xi = as_points(frequencies, self.target.dim, "frequencies")
        channels = residuals.shape[2:]
        at_once = max(1, SPECTRUM_ENTRIES // residuals[0].size)
        parts = []
        for first in range(0, len(residuals), at_once):
            columns = np.moveaxis(residuals[first : first + at_once], 0, 1)
            spectrum = self.target.with_values(columns.reshape(len(columns), -1)).spectrum(xi)
            parts.append(np.moveaxis(spectrum.reshape(len(xi), columns.shape[1], *channels), 0, 1))
        return np.concatenate(parts)


@dataclass(frozen=True, eq=False)
class Trainer:
    """Training that has been checked and can begin; see :func:`train` for the parameters.

    Attributes
    ----------
    rate : float
        The learning rate, chosen if none was given.
    intervals : list of Interval
        The steps on the way to every snapshot.
    """

    model: Model
    target: Target
    width: int
    times: FloatArray
    learning_rate: float | None = None
    seeds: int = 1
    seed: int = 0
    start: Start = "antisymmetric"
    precision: Precision = "float64"
    device: Device = "cpu"
    method: Method = "auto"
    rate: float = field(init=False)
    intervals: list[Interval] = field(init=False)

    def __post_init__(self) -> None:
        from fefreq.models.model import require_same_dimension

        object.__setattr__(self, "times", check_times(self.times))
        require_same_dimension(self.model, self.target)
        for name, lowest in (("width", 1), ("seeds", 1), ("seed", 0)):
            _require_integer(name, getattr(self, name), lowest)
        allowed = {"start": Start, "precision": Precision, "device": Device, "method": Method}
        for name, choices in allowed.items():
            _require_choice(name, getattr(self, name), get_args(choices))
        if self.start == "antisymmetric" and self.width % 2:
            raise ValueError(
                f"the antisymmetric start pairs the neurons, so width must be even, not {self.width}: "
                f"use {self.width + 1}, or start='plain'"
            )
        self._require_machine()
        object.__setattr__(self, "rate", self._stable_rate())
        object.__setattr__(self, "intervals", schedule(self.times, self.rate))

    def train(self, progress: Progress | None = None, checkpoints: Checkpoints | None = None) -> Run:
        """Train all networks from the start, or from where checkpoints have kept them.

        Raises
        ------
        DivergenceError
            A ``FloatingPointError``: the loss grew without bound. Its attribute ``run`` has the snapshots before.
        OSError
            If a checkpoint cannot be written.
        ValueError
            If the checkpoints are of another experiment or version, or damaged.
        """
        from harness.training.ensembles import Ensemble
        from harness.training.recorder import record

        ensemble = Ensemble.of(self)
        initial = ensemble.residuals
        plan = Run(
            model=self.model,
            target=self.target,
            times=self.times,
            residuals=initial[:, None][:, :0],
            initial_residuals=initial,
            losses=np.empty((self.seeds, 0)),
            steps=np.cumsum([interval.steps for interval in self.intervals]),
            rates=np.array([interval.rate for interval in self.intervals]),
            width=self.width,
            seeds=self.seeds,
            learning_rate=self.rate,
            method=ensemble.method,
            seconds=0.0,
            metadata=self._metadata(),
        )
        return record(plan, ensemble, progress, checkpoints)

    def _require_machine(self) -> None:
        if self.method == "transform":
            from harness.training.transform_plans import require_transforms

            require_transforms(self.device)
        if self.method == "transform" and self.target.dim > 3:
            raise ValueError(
                f"fast transforms exist in up to 3 dimensions, but the target has {self.target.dim}: use method='dense'"
            )
        if self.device == "cuda":
            import torch

            if not torch.cuda.is_available():
                raise ValueError("CUDA was asked for, but torch finds no such device here: use device='cpu'")

    def _stable_rate(self) -> float:
        from fefreq.kernel.operator import largest_rate

        rate = self.learning_rate
        if rate is not None and not (np.isfinite(rate) and rate > 0):
            raise ValueError(f"learning_rate must be positive and finite, not {rate}")
        limit = 2 / largest_rate(self.model, self.target)
        if rate is None:
            return default_rate(limit)
        if rate >= limit:
            raise ValueError(
                f"learning_rate is {rate}, but descent on this model and target is stable only below "
                f"2 / λ_max = {limit:.4g}: choose a smaller one"
            )
        return float(rate)

    def _metadata(self) -> dict[str, Setting]:
        import torch

        return {
            "seed": self.seed,
            "start": self.start,
            "precision": self.precision,
            "device": self.device,
            "threads": torch.get_num_threads(),
            **{f"{name} version": version(name) for name in ("fefreq", "finufft", "numpy", "torch")},
        }


def train(
    model: Model,
    target: Target,
    width: int,
    times: ArrayLike,
    learning_rate: float | None = None,
    seeds: int = 1,
    seed: int = 0,
    start: Start = "antisymmetric",
    precision: Precision = "float64",
    device: Device = "cpu",
    method: Method = "auto",
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
) -> Run:
    """Train networks of finite width by full-batch gradient descent.

    The loss is ``½ Σ_j q_j |u(x_j)|²``. Snapshots fall exactly on the requested times: the way to each is
    split into the fewest equal steps that do not exceed the learning rate.

    Parameters
    ----------
    model : Model
        Gives the architecture, the distribution at the start and the block rates.
    target : Target
        Data of the model's dimension. Channels become outputs that share the frequencies.
    width : int
        Number of neurons.
    times : array_like, shape (T,)
        Training times of the snapshots, ``t = Σ η``, increasing, the first at least 0.
    learning_rate : float, optional
        Largest step ``η``, below the stability limit ``2 / λ_max`` of the infinitely wide network; by default
        a tenth of that limit. The error of finite steps is ``O(η)``: compare with half of it.
    seeds : int
        Number of networks; member ``s`` does not depend on how many there are.
    seed : int
        Where all random numbers begin.
    start : {'antisymmetric', 'plain'}
        Pairs of neurons whose outputs cancel, so that the initial output is zero; or independent neurons, and
        then the initial residual is a random function, :attr:`Run.initial`.
    precision : {'float64', 'float32'}
        Of parameters and residuals.
    device : {'cpu', 'cuda'}
        Where the dense path computes.
    method : {'auto', 'dense', 'transform'}
        Matrix products, ``O(n m)`` a step; non-uniform fast Fourier transforms, ``O(n log n + m)``; or
        whichever is faster: transforms on the processor, in up to three dimensions, from ``n m = 1e5`` on
        grids, later for points scattered in several dimensions. On CUDA devices transforms are those of cufinufft
        and must be asked for.
    progress : Progress, optional
        Hears of every step.
    checkpoints : Checkpoints, optional
        Where training is kept, and from where it goes on if it was interrupted.

    Raises
    ------
    ValueError
        If an argument is unusable, the learning rate is not stable (the message states the limit), or the
        checkpoints are of another experiment.
    TypeError
        If a count is no integer, or the model has no network.
    DivergenceError
        A ``FloatingPointError``: the loss grew without bound all the same.
    OSError
        If a checkpoint cannot be written.
    """
    trainer = Trainer(
        model, target, width, check_times(times), learning_rate, seeds, seed, start, precision, device, method
    )
    return trainer.train(progress, checkpoints)


def default_rate(limit: float) -> float:
    """A tenth of a stability limit, to six digits: the last bits of eigenvalues depend on the number of threads.

    >>> default_rate(20 / 3)
    0.666667
    """
    return float(f"{DEFAULT_SHARE * limit:.6g}")


def _require_integer(name: str, value: object, lowest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if value < lowest:
        raise ValueError(f"{name} must be at least {lowest}, not {value}")


def _require_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, choices))}")
