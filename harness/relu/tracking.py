r"""Diagnostics during training, and the error spectrum beside them on one axis of time.

Networks are trained by Adam or by gradient descent on ``½ Σ_j q_j |u(x_j)|²``, in full batches or mini-batches. After
the epochs of a :class:`~harness.relu.schedule.Schedule` training pauses, diagnostics are measured on all samples, and
the residual is kept: what becomes of activation regions and gradients, and what of the error ``û(ξ, t)``, can be seen
at the same times.

>>> import numpy as np, fefreq
>>> from harness.relu import Schedule, relu_network, track
>>> target = fefreq.Target.from_function(lambda x: np.sin(20 * x[:, 0]), bounds=[(0, 1)], shape=128)
>>> recording = track(
...     lambda seed: relu_network(dim=1, width=16, hidden_layers=2, octaves=3, seed=seed),
...     target,
...     Schedule(hamming={"every": 10}, regions=[0, 20]),
...     epochs=20,
... )
>>> recording.data.hamming.dims, recording.data.epoch.values.tolist()
(('seed', 'time', 'pairs'), [0, 10, 20])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from numpy.typing import ArrayLike
from torch import nn

from fefreq.support.progress import Progress
from fefreq.targets.target import Target
from harness.relu.pairs import LOCAL_WINDOW
from harness.relu.recording import Recording
from harness.relu.schedule import Schedule
from harness.relu.tracker import OptimiserName, Tracker
from harness.training.checkpoints import Checkpoints


def track(
    build: Callable[[int], nn.Module],
    target: Target,
    schedule: Schedule,
    *,
    epochs: int,
    batch: int | None = None,
    learning_rate: float = 1e-3,
    optimiser: OptimiserName = "adam",
    seeds: int = 1,
    seed: int = 0,
    coordinates: tuple[float, float] = (0.0, 1.0),
    frequencies: ArrayLike | None = None,
    pair_count: int = 5000,
    window: int = LOCAL_WINDOW,
    held_out: float | None = None,
    snapshots: Sequence[int] | None = None,
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
) -> Recording:
    """Train ReLU networks and measure them on the way.

    Parameters
    ----------
    build : callable
        Makes a network from a seed: a ``torch.nn.Sequential`` as :meth:`ReluNetwork.of` reads it.
    target : Target
        Samples on a grid, in coordinates of their own.
    schedule : Schedule
        Which diagnostic is measured after which epochs.
    epochs : int
        Passes through the samples.
    batch : int, optional
        Samples of a mini-batch, drawn anew in every epoch; those that do not fill a last one wait for the next
        epoch. By default all samples at once.
    learning_rate : float
        Of Adam or of descent.
    optimiser : {'adam', 'descent'}
    seeds : int
        Number of networks, built from ``seed``, ``seed + 1``, …
    seed : int
        Where all random numbers begin.
    coordinates : (float, float)
        What the longest side of the data becomes in the coordinates of the networks.
    frequencies : array_like, shape (F, d), optional
        Where the error spectrum is kept, in cycles per unit length of the data; by default
        :func:`default_frequencies`.
    pair_count : int
        Local pairs, and as many global ones.
    window : int
        Samples along each edge of the windows that local pairs are from.
    held_out : float, optional
        Share of the samples for validation, and the same for a test. PSNR is then recorded on the training and
        validation samples, and once on the test samples, at the best recorded epoch of validation. Pairs are of
        samples that are trained on; all else is measured on all samples.
    snapshots : sequence of int, optional
        Epochs after which networks are kept; by default the start and the end.
    progress : Progress, optional
        Hears of every step.
    checkpoints : Checkpoints, optional
        Where training and measurements are kept, and from where they go on if they were interrupted.

    Returns
    -------
    Recording

    Raises
    ------
    TypeError
        If a network has another activation than ReLU; the message names it.
    ValueError
        If data, networks and settings do not go together, or do not fit into memory; before any training.
    DivergenceError
        A ``FloatingPointError``: a loss is not finite any more.

    Warns
    -----
    UserWarning
        If octaves of the encoding are faster than the grid of samples.
    """
    tracker = Tracker(
        build,
        target,
        schedule,
        epochs,
        batch,
        learning_rate,
        optimiser,
        seeds,
        seed,
        coordinates,
        frequencies,
        pair_count,
        window,
        held_out,
        snapshots,
    )
    return tracker.run(progress, checkpoints)
