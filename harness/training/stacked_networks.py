r"""Several networks of one specification in training at once, their parameters stacked.

With the residual ``u = f - N`` the gradient of the loss with respect to the outputs is ``-q u``; automatic
differentiation carries it back to the parameters of all networks in one sweep. Every network only sees its own
outputs, so the parameters of the members do not mix.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from fefreq.support.arrays import FloatArray
from fefreq.targets.target import Target
from harness.networks.plane_waves import generators
from harness.networks.spec import ModuleSpec
from harness.training.engine import State, below
from harness.training.minibatches import IntArray, minibatches
from harness.training.optimisers import Descent, Optimiser, memory, recall
from harness.training.run import DIVERGENCE, DivergenceError

# Entries that one array of all networks in training together may have: beyond, layers or weights leave the cache of
# a processor between two operations, and one network after another is faster.
ENTRIES_TOGETHER = {"cpu": 1 << 18, "cuda": 1 << 28}
POWER_STEPS = 100
POWER_RTOL = 1e-3


def members_together(spec: ModuleSpec, points: int, channels: int, device: str) -> int:
    """How many networks are trained at a time at best."""
    parameters = sum(block.size for block in spec.draw(channels, np.random.default_rng(0)).values())
    return max(1, ENTRIES_TOGETHER[device] // max(points * spec.units(), parameters))


class StackedNetworks:
    """Some members of an ensemble.

    Parameters
    ----------
    spec : ModuleSpec
    target : Target
    members : range
        Which members these are.
    optimiser : Optimiser
    batch : int or None
        Points of a mini-batch.
    seed : int
    centred : bool
        Whether outputs at the start are subtracted for good.
    dtype : torch.dtype
    device : torch.device
    compiled : bool
        Whether the networks are compiled.
    """

    def __init__(
        self,
        spec: ModuleSpec,
        target: Target,
        members: range,
        *,
        optimiser: Optimiser,
        batch: int | None,
        seed: int,
        centred: bool,
        dtype: torch.dtype,
        device: torch.device,
        compiled: bool,
    ) -> None:
        self._spec, self._members, self._batch, self._seed = spec, members, batch, seed

        def tensor(array: FloatArray | float) -> Tensor:
            return torch.tensor(array, dtype=dtype, device=device)

        rngs = generators(seed, members.stop)[members.start :]
        drawn = [spec.draw(target.channels or 1, rng) for rng in rngs]
        blocks = {name: tensor(np.stack([member[name] for member in drawn])) for name in drawn[0]}
        factors = {name: tensor(factor) for name, factor in spec.factors().items()}
        self._rates = {name: rate for name, rate in spec.block_rates(blocks).items() if rate > 0}
        if not self._rates:
            raise ValueError(
                "all blocks of this network are frozen, so nothing would be trained: give one a rate"
            )
        self._parameters = {name: blocks[name].requires_grad_() for name in self._rates}
        self._factors = {name: factors[name] for name in self._rates if name in factors}
        self._frozen = {
            name: block * factors[name] if name in factors else block
            for name, block in blocks.items()
            if name not in self._rates
        }
        self._optimiser = optimiser.over(
            [{"params": [self._parameters[name]], "share": rate} for name, rate in self._rates.items()]
        )

        points = tensor(target.points).unsqueeze(0)
        self._points = points
        self._features: Tensor | None = None
        if not set(spec.feature_blocks) & set(self._rates):
            self._features = spec.features(self._frozen, points)
        self._weights = tensor(target.weights).unsqueeze(-1)
        self._values = tensor(target.values.reshape(len(target.points), -1)).unsqueeze(0)
        self._forward = torch.compile(self._evaluated) if compiled else self._evaluated
        self.time, self.steps = 0.0, 0
        self._batches = self._begun_batches()
        with torch.no_grad():
            outputs = self._evaluated(self._parameters, self._features, points)
        if centred:
            self._values = self._values + outputs
        self._bound = math.inf
        residual = self._values - outputs
        self._last = residual, self._weights
        if isinstance(optimiser, Descent) and batch is None:
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
        outputs = self._forward(self._parameters, features, points)
        with torch.no_grad():
            residual = values - outputs
            slope = residual * -weights
            loss = torch.dot(slope.flatten(), residual.flatten())
            self._last = residual, weights
        self._require_finite(-0.5 * float(loss))
        parameters = tuple(self._parameters.values())
        gradients = torch.autograd.grad(outputs, parameters, slope)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        for group in self._optimiser.param_groups:
            group["lr"] = rate * group["share"]
        self._optimiser.step()
        self.time += rate
        self.steps += 1

    @property
    def losses(self) -> FloatArray:
        """``½ Σ_j q_j |u(x_j)|²`` of every member before its last step, shape ``(S,)``."""
        residual, weights = (tensor.double().cpu().numpy() for tensor in self._last)
        return np.asarray(0.5 * (weights * residual**2).sum(axis=(1, 2)))

    def state(self) -> State:
        """What has changed since the start, as arrays on the processor."""
        blocks = {
            f"parameter.{name}": block.detach().cpu().numpy() for name, block in self._parameters.items()
        }
        memories = {f"memory.{name}": array for name, array in memory(self._optimiser).items()}
        return {**blocks, **memories, "time": np.array(self.time), "steps": np.array(self.steps)}

    def restore(self, state: State) -> None:
        """Go back to where :meth:`state` was taken."""
        with torch.no_grad():
            for name, block in self._parameters.items():
                block.copy_(torch.from_numpy(state[f"parameter.{name}"]))
        recall(self._optimiser, below(state, "memory."))
        self.time, self.steps = float(state["time"]), int(state["steps"])
        self._batches = self._begun_batches()

    def residual(self) -> FloatArray:
        """``u`` of all members at all points, shape ``(S, n, C)``.

        Raises
        ------
        DivergenceError
            If one is not finite.
        """
        with torch.no_grad():
            outputs = self._evaluated(self._parameters, self._features, self._points)
            residual = self._values - outputs
            self._require_finite(float(0.5 * (self._weights * residual**2).sum()))
        return np.asarray(residual.double().cpu().numpy())

    def largest_rate(self) -> float:
        """Largest eigenvalue of the tangent kernel with the quadrature weights, by power iteration.

        It divides 2 in the stability limit of full-batch descent.
        """
        root = self._weights.sqrt()

        def outputs(parameters: dict[str, Tensor]) -> Tensor:
            return self._evaluated(parameters, self._features, self._points)

        parameters = {name: block.detach() for name, block in self._parameters.items()}
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
            (slopes,) = pull(root * vector)
            scaled = {name: self._rates[name] * slope for name, slope in slopes.items()}
            vector = root * torch.func.jvp(outputs, (parameters,), (scaled,))[1]
            before, estimate = estimate, float(torch.linalg.vector_norm(vector))
            if abs(estimate - before) <= POWER_RTOL * estimate:
                break
        return estimate

    def _evaluated(self, parameters: dict[str, Tensor], features: Tensor | None, points: Tensor) -> Tensor:
        """Outputs ``(S, n, C)`` for given values of the trained blocks."""
        blocks = dict(self._frozen)
        for name, block in parameters.items():
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

    def _begun_batches(self) -> Iterator[Tensor] | None:
        """Points ``(S, batch)`` of the mini-batches from the present step on."""
        if self._batch is None:
            return None
        points = self._points.shape[1]

        def order(epoch: int) -> IntArray:
            each = [np.random.default_rng([self._seed, member, epoch]) for member in self._members]
            return np.stack([rng.permutation(points) for rng in each])

        indices = minibatches(points, self._batch, order, self.steps)
        return (torch.as_tensor(index, device=self._points.device) for index in indices)

    def _require_finite(self, loss: float) -> None:
        if not loss <= self._bound or not math.isfinite(loss):
            raise DivergenceError(
                f"training diverged in step {self.steps}, at t = {self.time:g}: the loss is {loss:g}; use a smaller "
                "learning rate"
            )
