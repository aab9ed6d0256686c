r"""Training of networks of any depth, by automatic differentiation: :func:`train_module`.

What :func:`harness.train` does for two-layer networks by written-out gradients, this does for every
:class:`~harness.networks.ModuleSpec`: an ensemble sees the same data, and its residuals at the requested times are a
:class:`harness.Run`, to be compared with predictions like any other.

Networks are trained together: their parameters lie in one vector, one batched product serves all of them, and one
update moves all. As many are taken together as fit into a cache; how many does not change the result beyond
rounding.

The *centred* start measures ``u = f - (N_t - N_0)``: the output at the start, a random function that has nothing to
do with the data, is subtracted, so that the residual begins as ``f`` whatever the network is. The tangent kernel is
that of ``N`` itself.

>>> import numpy as np, fefreq
>>> from harness.networks import DeepFourierFeatureNetwork
>>> target = fefreq.Target.from_function(lambda x: np.exp(-8 * x[:, 0] ** 2), bounds=[(-1, 1)], shape=64)
>>> spec = DeepFourierFeatureNetwork(fefreq.Gaussian(2.0), width=32, hidden_layers=2)
>>> run = train_module(spec, target, times=[0, 1, 4], seeds=3)
>>> run.residuals.shape, bool(np.all(np.diff(run.losses, axis=1) < 0))
((3, 3, 64), True)
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from fefreq.fields.times import check_times
from fefreq.support.arrays import FloatArray
from fefreq.support.progress import Progress
from fefreq.targets.target import Target
from harness.networks.spec import ModuleSpec, require_choice, require_count, require_number
from harness.training.learning_rates import MAX_STEPS, Constant, Schedule, steps_to_counts, steps_to_times
from harness.training.optimisers import Descent, Optimiser
from harness.training.runs import Device, Precision, Run, Setting, default_rate

if TYPE_CHECKING:
    from harness.training.checkpoints import Checkpoints

ModuleStart = Literal["centred", "plain"]


@dataclass(frozen=True, eq=False)
class ModuleTrainer:
    """Training that has been checked and can begin; see :func:`train_module` for the parameters.

    Attributes
    ----------
    schedule : Schedule
        The learning rate, chosen if none was given.
    snapshot_times : ndarray, shape (T,)
        Training times of the snapshots, whichever of times and steps were given.
    intervals : list of ndarray
        Sizes of the steps on the way to every snapshot.
    """

    spec: ModuleSpec
    target: Target
    times: ArrayLike | None = None
    steps: Sequence[int] | None = None
    learning_rate: float | Schedule | None = None
    optimiser: Optimiser = field(default_factory=Descent)
    batch: int | None = None
    seeds: int = 1
    seed: int = 0
    start: ModuleStart = "centred"
    precision: Precision = "float64"
    device: Device = "cpu"
    compile: bool = False
    together: int | None = None
    schedule: Schedule = field(init=False)
    snapshot_times: FloatArray = field(init=False)
    intervals: list[FloatArray] = field(init=False)

    def __post_init__(self) -> None:
        self._check()
        counts, times = self._snapshots()
        schedule = self._schedule()
        object.__setattr__(self, "schedule", schedule)
        if counts is not None:
            intervals = steps_to_counts(schedule, counts)
            times = np.cumsum([float(sizes.sum()) for sizes in intervals])
            if np.any(np.diff(times) <= 0):
                raise ValueError(
                    "the learning rate falls to 0 before the last step, so nothing changes any more: "
                    "ask for fewer steps, or let the schedule end above 0"
                )
        else:
            assert times is not None
            intervals = steps_to_times(schedule, times)
        object.__setattr__(self, "intervals", intervals)
        object.__setattr__(self, "snapshot_times", times)

    def train(self, progress: Progress | None = None, checkpoints: Checkpoints | None = None) -> Run:
        """Train all networks from the start, or from where checkpoints have kept them.

        Raises
        ------
        DivergenceError
            A ``FloatingPointError``: a loss is not finite, or grew without bound under full-batch descent. Its
            attribute ``run`` has the snapshots before.
        OSError
            If a checkpoint cannot be written.
        ValueError
            If the checkpoints are of another experiment or version, or damaged.
        """
        from harness.training.recorder import record
        from harness.training.stacked import Groups

        groups = Groups(self)
        initial = groups.residuals
        plan = Run(
            model=self.spec,
            target=self.target,
            times=self.snapshot_times,
            residuals=initial[:, None][:, :0],
            initial_residuals=initial,
            losses=np.empty((self.seeds, 0)),
            steps=np.cumsum([len(sizes) for sizes in self.intervals]),
            rates=np.array([sizes.mean() if len(sizes) else 0.0 for sizes in self.intervals]),
            width=self.spec.width,
            seeds=self.seeds,
            learning_rate=self.schedule.peak,
            method="autograd",
            seconds=0.0,
            metadata={**self._metadata(), "together": groups.together},
        )
        return record(plan, groups, progress, checkpoints)

    def _check(self) -> None:
        if not isinstance(self.spec, ModuleSpec):
            raise TypeError(
                f"a {type(self.spec).__name__} is no specification of a network: see harness.networks; "
                "models of the theory are trained by harness.train"
            )
        if self.spec.dim != self.target.dim:
            raise ValueError(
                f"the network has {self.spec.dim} coordinate(s), but the target has {self.target.dim}: "
                "give both the same dim"
            )
        if not isinstance(self.optimiser, Optimiser):
            raise TypeError(
                f"optimiser must be a Descent, Sgd or Adam of harness.training.optimisers, not {self.optimiser!r}"
            )
        for name, lowest in (("seeds", 1), ("seed", 0)):
            require_count(name, getattr(self, name), lowest)
        if self.together is not None:
            require_count("together", self.together, 1)
        if self.batch is not None:
            require_count("batch", self.batch, 1)
            if self.batch > len(self.target.points):
                raise ValueError(
                    f"batch is {self.batch}, but the target has only {len(self.target.points)} points: "
                    "choose fewer, or leave it out for the full batch"
                )
        for name, choices in {"start": ModuleStart, "precision": Precision, "device": Device}.items():
            require_choice(name, getattr(self, name), choices)
        if self.device == "cuda":
            import torch

            if not torch.cuda.is_available():
                raise ValueError("CUDA was asked for, but torch finds no such device here: use device='cpu'")

    def _snapshots(self) -> tuple[list[int] | None, FloatArray | None]:
        if (self.times is None) == (self.steps is None):
            raise ValueError("give either the times or the steps at which snapshots are taken")
        if self.times is not None:
            return None, check_times(self.times)
        assert self.steps is not None
        counts = list(self.steps)
        for count in counts:
            require_count("every entry of steps", count, 0)
        if not counts or any(later <= sooner for sooner, later in pairwise(counts)):
            raise ValueError(f"steps must increase and be at least one number, but they are {counts}")
        if counts[-1] > MAX_STEPS:
            raise ValueError(f"steps go up to {counts[-1]:g}, but no more than {MAX_STEPS:g} can be planned")
        return [int(count) for count in counts], None

    def _schedule(self) -> Schedule:
        rate = self.learning_rate
        if isinstance(rate, Schedule):
            return rate
        if rate is not None:
            require_number("learning_rate", rate, 0.0, above=True)
            return Constant(float(rate))
        if not isinstance(self.optimiser, Descent) or self.batch is not None:
            raise ValueError(
                "only full-batch descent has a learning rate of its own, from its stability limit: "
                f"give learning_rate for {type(self.optimiser).__name__.lower()}"
                + (" in mini-batches" if self.batch is not None else "")
            )
        from harness.training.stacked import Stacked

        return Constant(default_rate(2 / Stacked(self, range(1)).largest_rate()))

    def _metadata(self) -> dict[str, Setting]:
        import torch

        return {
            "seed": self.seed,
            "start": self.start,
            "precision": self.precision,
            "device": self.device,
            "optimiser": json.dumps(asdict(self.optimiser)),  # type: ignore[call-overload]
            "schedule": json.dumps(asdict(self.schedule)),  # type: ignore[call-overload]
            "batch": self.batch or len(self.target.points),
            "compile": self.compile,
            "threads": torch.get_num_threads(),
            **{f"{name} version": version(name) for name in ("fefreq", "numpy", "torch")},
        }


def train_module(
    spec: ModuleSpec,
    target: Target,
    times: ArrayLike | None = None,
    steps: Sequence[int] | None = None,
    learning_rate: float | Schedule | None = None,
    optimiser: Optimiser | None = None,
    batch: int | None = None,
    seeds: int = 1,
    seed: int = 0,
    start: ModuleStart = "centred",
    precision: Precision = "float64",
    device: Device = "cpu",
    compile: bool = False,
    together: int | None = None,
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
) -> Run:
    """Train networks of any architecture and record their residuals.

    The loss is ``½ Σ_j q_j |u(x_j)|²``.

    Parameters
    ----------
    spec : ModuleSpec
        One of :mod:`harness.networks`.
    target : Target
        Data of the network's dimension; channels become outputs.
    times : array_like, shape (T,), optional
        Training times ``t = Σ η`` of the snapshots, which are hit exactly: the steps on the way to each are
        shortened by one factor. What that time means for other optimisers than descent:
        :mod:`harness.training.optimisers`.
    steps : sequence of int, optional
        Numbers of steps after which snapshots are taken, instead of ``times``; ``Run.times`` has their ``Σ η``.
    learning_rate : float or Schedule, optional
        By default, for full-batch descent only, a tenth of the stability limit of the first network at its start.
    optimiser : Descent, Sgd or Adam
        Gradient descent by default.
    batch : int, optional
        Points of a mini-batch; by default all. Every network runs through permutations of its own, which
        depend on ``seed``, member and epoch alone; points that do not fill a last batch wait for the next epoch.
    seeds : int
        Number of networks; member ``s`` does not depend on how many there are, up to rounding.
    seed : int
        Where all random numbers begin.
    start : {'centred', 'plain'}
        Whether the output at the start is subtracted from the network for good, or is part of the residual.
    precision : {'float64', 'float32'}
        Of parameters and residuals.
    device : {'cpu', 'cuda'}
    compile : bool
        Compile the network with ``torch.compile``, which takes seconds at first and needs a C++ compiler on a
        processor, where no measured case gained much (0.6 to 1.1 times the speed); agrees to rounding.
    together : int, optional
        Networks that are trained at a time; by default as many as a cache holds.
    progress : Progress, optional
        Hears of every step.
    checkpoints : Checkpoints, optional
        Where training is kept, and from where it goes on if it was interrupted.

    Returns
    -------
    Run
        Its ``model`` is the specification, its ``rates`` are means over the steps before a snapshot.

    Raises
    ------
    TypeError
        If an argument is of the wrong kind.
    ValueError
        If an argument is unusable, or the checkpoints are of another experiment.
    DivergenceError
        A ``FloatingPointError``: a loss is not finite, or grew without bound under full-batch descent; the message
        names the step, and the attribute ``run`` has the snapshots before.
    OSError
        If a checkpoint cannot be written.
    """
    trainer = ModuleTrainer(
        spec,
        target,
        times,
        steps,
        learning_rate,
        Descent() if optimiser is None else optimiser,
        batch,
        seeds,
        seed,
        start,
        precision,
        device,
        compile,
        together,
    )
    return trainer.train(progress, checkpoints)
