r"""Several networks in training at once, their parameters in one vector.

With the residual ``u = f - N`` the gradient of the loss with respect to the outputs is ``-q u``; automatic
differentiation carries it back to the parameters of all networks in one sweep. Every network only sees its own
outputs, so the parts of the vector do not mix.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from fefreq.support.arrays import FloatArray
from fefreq.support.progress import Progress
from harness.networks.plane_waves import generators
from harness.networks.spec import ModuleSpec
from harness.training.descent import DIVERGENCE, DivergenceError
from harness.training.optimisers import Descent
from harness.training.recorder import State, joined, separated

if TYPE_CHECKING:
    from harness.training.module_training import ModuleTrainer

# Entries that one array of all networks in training together may have: beyond, layers or weights leave the cache of
# a processor between two operations, and one network after another is faster.
ENTRIES_TOGETHER = {"cpu": 1 << 18, "cuda": 1 << 28}
POWER_STEPS = 100
POWER_RTOL = 1e-3


def members_together(spec: ModuleSpec, points: int, channels: int, device: str) -> int:
    """How many networks are trained at a time at best."""
    parameters = sum(block.size for block in spec.draw(channels, np.random.default_rng(0)).values())
    return max(1, ENTRIES_TOGETHER[device] // max(points * spec.units(), parameters))


class Groups:
    """An ensemble, so many members at a time.

    Parameters
    ----------
    settings : ModuleTrainer

    Attributes
    ----------
    together : int
        Members of a group.
    """

    def __init__(self, settings: ModuleTrainer) -> None:
        target, members = settings.target, range(settings.seeds)
        points = settings.batch or len(target.points)
        self._settings = settings
        self.together = settings.together or members_together(
            settings.spec, points, target.channels or 1, settings.device
        )
        self._groups = [
            Stacked(settings, members[first : first + self.together])
            for first in range(0, settings.seeds, self.together)
        ]

    @property
    def residuals(self) -> FloatArray:
        """Residuals of all members, shape ``(S, n)`` or ``(S, n, channels)``."""
        residuals = np.concatenate([group.residual() for group in self._groups])
        return residuals.reshape(self._settings.seeds, *self._settings.target.values.shape)

    @property
    def losses(self) -> FloatArray:
        """Losses of all members as of their last step, shape ``(S,)``; in mini-batches, those of the batch."""
        return np.concatenate([group.losses for group in self._groups])

    @property
    def steps_left(self) -> int:
        """Steps of all groups until the last snapshot."""
        total = sum(len(sizes) for sizes in self._settings.intervals)
        return sum(total - group.steps for group in self._groups)

    def advance(self, snapshot: int, progress: Progress, pause: Callable[[], bool]) -> bool:
        """Step until a snapshot, or until ``pause`` is true; say whether the snapshot has been reached.

        Raises
        ------
        DivergenceError
            As soon as one network diverges.
        """
        intervals = self._settings.intervals
        start, sizes = sum(len(before) for before in intervals[:snapshot]), intervals[snapshot]
        for group in self._groups:
            for size in sizes[group.steps - start :]:
                group.step(float(size))
                progress.advance()
                if pause():
                    return all(each.steps == start + len(sizes) for each in self._groups)
        return True

    def state(self) -> State:
        """Parameters, counters and what the optimisers remember, of all groups."""
        return joined([group.state() for group in self._groups])

    def restore(self, state: State) -> None:
        """Go back to where ``state`` was taken."""
        for group, one in zip(self._groups, separated(state, len(self._groups)), strict=True):
            group.restore(one)


class Stacked:
    """Some members of an ensemble.

    Parameters
    ----------
    settings : ModuleTrainer
    members : range
        Which members these are.
    """

    def __init__(self, settings: ModuleTrainer, members: range) -> None:
        spec, target = settings.spec, settings.target
        self._spec, self._settings, self._members = spec, settings, members
        dtype, device = getattr(torch, settings.precision), torch.device(settings.device)

        def tensor(array: FloatArray | float) -> Tensor:
            return torch.tensor(array, dtype=dtype, device=device)

        rngs = generators(settings.seed, members.stop)[members.start :]
        drawn = [spec.draw(target.channels or 1, rng) for rng in rngs]
        blocks = {name: tensor(np.stack([member[name] for member in drawn])) for name in drawn[0]}
        rates = spec.block_rates(blocks)
        factors = {name: tensor(factor) for name, factor in spec.factors().items()}
        trained = [name for name in blocks if rates[name] > 0]
        if not trained:
            raise ValueError(
                "all blocks of this network are frozen, so nothing would be trained: give one a rate"
            )
        self._factors = {name: factors[name] for name in trained if name in factors}
        self._frozen = {
            name: block * factors[name] if name in factors else block
            for name, block in blocks.items()
            if name not in trained
        }
        self._shapes = {name: blocks[name].shape for name in trained}
        self._sizes = [blocks[name].numel() for name in trained]
        self.parameters = torch.cat([blocks[name].flatten() for name in trained]).requires_grad_()
        self._rates: Tensor | None = None
        if any(rates[name] != 1 for name in trained):
            self._rates = torch.cat([tensor(np.full(blocks[name].numel(), rates[name])) for name in trained])

        points = tensor(target.points).unsqueeze(0)
        self._points = points
        self._features: Tensor | None = None
        if not set(spec.feature_blocks) & set(trained):
            self._features = spec.features(self._frozen, points)
        self._weights = tensor(target.weights).unsqueeze(-1)
        self._values = tensor(target.values.reshape(len(target.points), -1)).unsqueeze(0)
        self._forward = torch.compile(self._evaluated) if settings.compile else self._evaluated
        self._stepper = settings.optimiser.begin()
        self.time, self.steps = 0.0, 0
        self._batches = self._batch_indices() if settings.batch is not None else None
        with torch.no_grad():
            outputs = self._evaluated(self.parameters, self._features, points)
        if settings.start == "centred":
            self._values = self._values + outputs
        self._bound = math.inf
        residual = self._values - outputs
        self._last = residual, self._weights
        if isinstance(settings.optimiser, Descent) and settings.batch is None:
            floor = torch.finfo(dtype).eps * float(self._weights.sum())
            self._bound = DIVERGENCE * (float((0.5 * self._weights * residual**2).sum()) + floor)

    def step(self, rate: float) -> None:
        """Take one step of size ``rate``.

        Raises
        ------
        DivergenceError
            If a loss was not finite before the step, or has grown beyond all bounds.
        """
        features, points, values, weights = self._features, self._points, self._values, self._weights
        if self._batches is not None:
            features, points, values, weights = self._chosen(next(self._batches))
        outputs = self._forward(self.parameters, features, points)
        with torch.no_grad():
            residual = values - outputs
            slope = residual * -weights
            loss = torch.dot(slope.flatten(), residual.flatten())
            self._last = residual, weights
        self._require_finite(-0.5 * float(loss))
        (gradient,) = torch.autograd.grad(outputs, self.parameters, slope)
        with torch.no_grad():
            direction = self._stepper.direction(gradient)
            if self._rates is not None:
                direction = direction * self._rates
            self.parameters.sub_(direction, alpha=rate)
        self.time += rate
        self.steps += 1

    @property
    def losses(self) -> FloatArray:
        """``½ Σ_j q_j |u(x_j)|²`` of every member before its last step, shape ``(S,)``."""
        residual, weights = (tensor.double().cpu().numpy() for tensor in self._last)
        return np.asarray(0.5 * (weights * residual**2).sum(axis=(1, 2)))

    def state(self) -> State:
        """What has changed since the start, as arrays on the processor."""
        memory = {f"memory.{name}": tensor for name, tensor in self._stepper.memory().items()}
        tensors = {"parameters": self.parameters.detach(), **memory}
        counters = {"time": np.array(self.time), "steps": np.array(self.steps)}
        return {**{name: tensor.cpu().numpy() for name, tensor in tensors.items()}, **counters}

    def restore(self, state: State) -> None:
        """Go back to where :meth:`state` was taken."""
        with torch.no_grad():
            self.parameters.copy_(torch.from_numpy(state["parameters"]))
        self._stepper.recall(
            {
                name.removeprefix("memory."): torch.from_numpy(array).to(self.parameters.device)
                for name, array in state.items()
                if name.startswith("memory.")
            }
        )
        self.time, self.steps = float(state["time"]), int(state["steps"])
        if self._batches is not None:
            self._batches = self._batch_indices()

    def residual(self) -> FloatArray:
        """``u`` of all members at all points, shape ``(S, n, C)``.

        Raises
        ------
        DivergenceError
            If one is not finite.
        """
        with torch.no_grad():
            outputs = self._evaluated(self.parameters, self._features, self._points)
            residual = self._values - outputs
            self._require_finite(float(0.5 * (self._weights * residual**2).sum()))
        return np.asarray(residual.double().cpu().numpy())

    def largest_rate(self) -> float:
        """Largest eigenvalue of the tangent kernel with the quadrature weights, by power iteration.

        It divides 2 in the stability limit of full-batch descent.
        """
        root = self._weights.sqrt()
        rates = 1.0 if self._rates is None else self._rates

        def outputs(parameters: Tensor) -> Tensor:
            return self._evaluated(parameters, self._features, self._points)

        parameters = self.parameters.detach()
        value, pull = torch.func.vjp(outputs, parameters)[:2]
        start = torch.as_tensor(np.random.default_rng(0).standard_normal(value.shape))
        vector = start.to(value) * root
        estimate = 0.0
        for _ in range(POWER_STEPS):
            norm = torch.linalg.vector_norm(vector)
            if float(norm) == 0:
                raise ValueError(
                    "the network does not answer to its trained parameters, so no learning rate can be chosen: "
                    "give learning_rate"
                )
            vector = vector / norm
            (slope,) = pull(root * vector)
            vector = root * torch.func.jvp(outputs, (parameters,), (rates * slope,))[1]
            before, estimate = estimate, float(torch.linalg.vector_norm(vector))
            if abs(estimate - before) <= POWER_RTOL * estimate:
                break
        return estimate

    def _evaluated(self, parameters: Tensor, features: Tensor | None, points: Tensor) -> Tensor:
        """Outputs ``(S, n, C)`` for a vector of parameters."""
        blocks = dict(self._frozen)
        parts = torch.split(parameters, self._sizes)
        for (name, shape), part in zip(self._shapes.items(), parts, strict=True):
            block = part.view(shape)
            blocks[name] = block * self._factors[name] if name in self._factors else block
        if features is None:
            features = self._spec.features(blocks, points)
        return self._spec.outputs(blocks, features)

    def _chosen(self, index: Tensor) -> tuple[Tensor | None, Tensor, Tensor, Tensor]:
        """Features, points, values and weights of one mini-batch ``(S, batch)``."""
        rows = torch.arange(len(index), device=index.device)[:, None]

        def picked(data: Tensor) -> Tensor:
            if data.dim() == 3:
                return data[0][index] if len(data) == 1 else data[rows, index]
            return data.movedim(-2, 1)[rows, index].movedim(1, -2)

        features = None if self._features is None else picked(self._features)
        # A mini-batch stands for all points.
        share = self._points.shape[1] / index.shape[1]
        return features, picked(self._points), picked(self._values), share * self._weights[index]

    def _batch_indices(self) -> Iterator[Tensor]:
        """Points ``(S, batch)`` of the mini-batches from the present step on."""
        settings = self._settings
        assert settings.batch is not None
        points = len(settings.target.points)
        starts = range(0, points - settings.batch + 1, settings.batch)
        epoch, taken = divmod(self.steps, len(starts))
        while True:
            order = np.stack(
                [
                    np.random.default_rng([settings.seed, member, epoch]).permutation(points)
                    for member in self._members
                ]
            )
            shuffled = torch.as_tensor(order, device=self.parameters.device)
            for first in starts[taken:]:
                yield shuffled[:, first : first + settings.batch]
            epoch, taken = epoch + 1, 0

    def _require_finite(self, loss: float) -> None:
        if not loss <= self._bound or not math.isfinite(loss):
            raise DivergenceError(
                f"training diverged in step {self.steps}, at t = {self.time:g}: the loss is {loss:g}; use a smaller "
                "learning rate"
            )
