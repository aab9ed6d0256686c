r"""Trained networks as error fields: :func:`train` and :func:`train_module`.

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

What :func:`train` does for two-layer networks by written-out gradients, :func:`train_module` does for every
:class:`~harness.networks.ModuleSpec`. Networks are trained together: one batched product serves all of them, and as
many are taken together as fit into a cache; how many does not change the result beyond rounding.

The *centred* start measures ``u = f - (N_t - N_0)``: the output at the start, a random function that has nothing to
do with the data, is subtracted, so that the residual begins as ``f`` whatever the network is. The tangent kernel is
that of ``N`` itself.

>>> from harness.networks import DeepFourierFeatureNetwork
>>> spec = DeepFourierFeatureNetwork(fefreq.Gaussian(2.0), width=32, hidden_layers=2)
>>> run = train_module(spec, target, times=[0, 1, 4], seeds=3)
>>> run.residuals.shape, bool(np.all(np.diff(run.losses, axis=1) < 0))
((3, 3, 64), True)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from fefreq.fields.times import check_times
from fefreq.models import DeepFourierFeatures, Model
from fefreq.models.model import require_same_dimension
from fefreq.support.progress import Progress
from fefreq.targets.target import Target
from harness.networks import DeepFourierFeatureNetwork
from harness.networks.spec import ModuleSpec, Start
from harness.training.checkpoints import Checkpoints
from harness.training.learning_rates import LearningRate
from harness.training.module_trainer import ModuleStart, ModuleTrainer
from harness.training.optimisers import Descent, Optimiser
from harness.training.plane_wave_trainer import Method, PlaneWaveTrainer
from harness.training.run import Run
from harness.training.trainer import Device, Precision, stable_rate


def train(
    model: Model,
    target: Target,
    *,
    width: int,
    times: ArrayLike,
    learning_rate: float | None = None,
    seeds: int = 1,
    seed: int = 0,
    start: Start | ModuleStart | None = None,
    precision: Precision = "float64",
    device: Device = "cpu",
    method: Method = "auto",
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
) -> Run:
    """Train the networks of finite width that a model describes in the limit, by full-batch gradient descent.

    The loss is ``½ Σ_j q_j |u(x_j)|²``. Snapshots fall exactly on the requested times: the way to each is
    split into the fewest equal steps that do not exceed the learning rate.

    Parameters
    ----------
    model : Model
        Gives the architecture, the distribution at the start and the block rates: Fourier features and multi-scale
        sines of two layers, or deep Fourier features.
    target : Target
        Data of the model's dimension. Channels become outputs that share the frequencies.
    width : int
        Number of neurons; of a deep network, units of a hidden layer and number of frequencies.
    times : array_like, shape (T,)
        Training times of the snapshots, ``t = Σ η``, increasing, the first at least 0.
    learning_rate : float, optional
        Largest step ``η``, below the stability limit ``2 / λ_max`` of the infinitely wide network; by default
        a tenth of that limit. The error of finite steps is ``O(η)``: compare with half of it.
    seeds : int
        Number of networks; member ``s`` does not depend on how many there are.
    seed : int
        Where all random numbers begin.
    start : {'antisymmetric', 'centred', 'plain'}, optional
        By default one with the initial output zero: for two layers ``antisymmetric``, pairs of neurons whose outputs
        cancel; for deep networks ``centred``, the output at the start subtracted for good. ``plain`` networks are
        independent neurons or weights, and then the initial residual is a random function, :attr:`Run.initial`.
    precision : {'float64', 'float32'}
        Of parameters and residuals.
    device : {'cpu', 'cuda'}
        Where the dense path computes.
    method : {'auto', 'dense', 'transform'}
        Matrix products, ``O(n m)`` a step; non-uniform fast Fourier transforms, ``O(n log n + m)``; or
        whichever is faster: transforms on the processor, in up to three dimensions, from ``n m = 1e5`` on
        grids, later for points scattered in several dimensions. On CUDA devices transforms are those of cufinufft
        and must be asked for. Of two layers only.
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
    times = check_times(times)
    settings: dict[str, Any] = {"seeds": seeds, "seed": seed, "precision": precision, "device": device}
    trainer: ModuleTrainer | PlaneWaveTrainer
    if isinstance(model, DeepFourierFeatures):
        if start == "antisymmetric":
            raise ValueError(
                "the antisymmetric start pairs the neurons of two layers: deep networks begin at zero by "
                "start='centred', or anywhere by 'plain'"
            )
        if method != "auto":
            raise ValueError(
                f"method is {method!r}, but deep networks are differentiated automatically: leave it out"
            )
        require_same_dimension(model, target)
        spec, rate = DeepFourierFeatureNetwork.of(model, width), stable_rate(model, target, learning_rate)
        trainer = ModuleTrainer(spec, target, times, learning_rate=rate, start=start or "centred", **settings)
    else:
        if start == "centred":
            raise ValueError(
                "the centred start is that of deep networks: networks of two layers begin at zero by "
                "start='antisymmetric', or anywhere by 'plain'"
            )
        start = start or "antisymmetric"
        trainer = PlaneWaveTrainer(
            model, target, width, times, learning_rate, start=start, method=method, **settings
        )
    return trainer.train(progress, checkpoints)


def train_module(
    spec: ModuleSpec,
    target: Target,
    *,
    times: ArrayLike | None = None,
    steps: Sequence[int] | None = None,
    learning_rate: float | LearningRate | None = None,
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
    learning_rate : float or LearningRate, optional
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
