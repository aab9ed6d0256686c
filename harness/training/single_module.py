r"""One ``torch.nn.Module`` in training, in whatever precision it has, on all points or on some of them.

The loss is ``½ Σ_j q_j |u(x_j)|²`` over the points that are trained on. A mini-batch stands for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fefreq.support.arrays import FloatArray
from harness.training.engine import State, below
from harness.training.minibatches import IntArray, consecutive, minibatches
from harness.training.optimisers import Optimiser, memory, recall
from harness.training.run import DivergenceError


class SingleModule:
    """A module on its way down.

    Parameters
    ----------
    module : torch.nn.Module
        Maps inputs ``(n, K)`` to outputs ``(n, C)``; trained in place.
    inputs : Tensor, shape (n, K)
        What stands for the points, in the precision and on the device of the module.
    values : ndarray, shape (n, C)
        The target.
    weights : ndarray, shape (k,)
        Quadrature weights of the points that are trained on.
    optimiser : Optimiser
    trained : ndarray of int, shape (k,)
        Points that are trained on.
    batch : int, optional
        Points of a mini-batch, from permutations that one generator draws; by default all.
    order : optional
        Seed of that generator.
    name : str
        In messages.

    Attributes
    ----------
    steps : int
    """

    def __init__(
        self,
        module: nn.Module,
        inputs: Tensor,
        values: FloatArray,
        weights: FloatArray,
        *,
        optimiser: Optimiser,
        trained: IntArray,
        batch: int | None = None,
        order: Any = None,
        name: str = "",
    ) -> None:
        self.module, self._name = module, name
        self._all_inputs, self._all_values = inputs, values
        self._inputs = inputs[torch.as_tensor(trained)]
        self._values = torch.as_tensor(values[trained]).to(inputs)
        self._weights = torch.as_tensor(weights).to(inputs)
        self._size = len(trained) if batch is None else batch
        self._epoch = len(trained) // self._size
        self._seed = None if batch is None else order
        self._optimiser = optimiser.over([{"params": list(module.parameters())}])
        self.steps, self._rate = 0, 0.0
        self._loss = torch.tensor(math.nan)
        self._batches = self._begun_batches()

    def step(self, rate: float) -> None:
        """Take one step of size ``rate``.

        Raises
        ------
        DivergenceError
            If the loss was not finite before the step.
        """
        rows = next(self._batches)
        self._optimiser.zero_grad(set_to_none=True)
        residual = self.module(self._inputs[rows]) - self._values[rows]
        share = 0.5 * len(self._inputs) / self._size
        loss = share * (self._weights[rows] @ residual.square().sum(dim=1))
        loss.backward()
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.step()
        self._loss, self._rate = loss.detach(), rate
        self._require_finite(math.isfinite(loss.item()))
        self.steps += 1

    @property
    def losses(self) -> FloatArray:
        """The loss before the last step, shape ``(1,)``; in mini-batches, that of the batch."""
        return self._loss.double().cpu().numpy()[None]

    def residual(self) -> FloatArray:
        """``u`` at all points, shape ``(1, n, C)``.

        Raises
        ------
        DivergenceError
            If it is not finite.
        """
        with torch.no_grad():
            outputs = self.module(self._all_inputs).double().cpu().numpy()
        self._require_finite(bool(np.isfinite(outputs).all()))
        return np.asarray(self._all_values - outputs)[None]

    def state(self) -> State:
        """What has changed since the start, as arrays on the processor."""
        parameters = {
            f"parameter.{name}": parameter.detach().cpu().numpy()
            for name, parameter in self.module.named_parameters()
        }
        memories = {f"memory.{name}": array for name, array in memory(self._optimiser).items()}
        return {**parameters, **memories, "steps": np.array(self.steps), "rate": np.array(self._rate)}

    def restore(self, state: State) -> None:
        """Go back to where :meth:`state` was taken."""
        with torch.no_grad():
            for name, parameter in self.module.named_parameters():
                parameter.copy_(torch.from_numpy(state[f"parameter.{name}"]))
        recall(self._optimiser, below(state, "memory."))
        self.steps, self._rate = int(state["steps"]), float(state["rate"])
        self._batches = self._begun_batches()

    def _begun_batches(self) -> Iterator[slice | Tensor]:
        if self._seed is None:
            while True:
                yield slice(None)
        points = len(self._inputs)
        order = consecutive(self._seed, points)
        yield from map(torch.as_tensor, minibatches(points, self._size, order, self.steps))

    def _require_finite(self, finite: bool) -> None:
        if not finite:
            epoch = max(1, -(-(self.steps + 1) // self._epoch))
            raise DivergenceError(
                f"the loss of {self._name} is not finite after epoch {epoch}: use a smaller learning rate than "
                f"{self._rate:g}"
            )
