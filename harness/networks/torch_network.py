"""Any ``torch.nn.Module`` as a specification."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from fefreq.support.arrays import FloatArray
from harness.networks.spec import Blocks, ModuleSpec, require_count

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class TorchNetwork(ModuleSpec):
    """Networks made by a function of no arguments; all members are evaluated by ``torch.vmap``.

    The function is called once for every member with torch's generator seeded for it, so that it draws other
    parameters each time. It cannot be written to a file.

    Parameters
    ----------
    build : callable
        Returns a module that maps points ``(n, d)`` to outputs ``(n, C)``, point by point.
    dim : int
        Number of coordinates.

    Raises
    ------
    TypeError
        If no module is returned, or it mixes points or draws random numbers when it is evaluated.

    Examples
    --------
    >>> from torch import nn
    >>> spec = TorchNetwork(lambda: nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)))
    >>> spec.width, sorted(spec.draw(1, np.random.default_rng(0)))
    (8, ['0.bias', '0.weight', '2.bias', '2.weight'])
    """

    build: Callable[[], nn.Module]
    dim: int = 1
    width: int = field(init=False)

    def __post_init__(self) -> None:
        import torch

        if not callable(self.build):
            raise TypeError(f"build must be a function that returns a torch.nn.Module, not {self.build!r}")
        require_count("dim", self.dim, 1)
        offenders = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.modules.dropout._DropoutNd)
        for module in self._template.modules():
            if isinstance(module, offenders):
                raise TypeError(
                    f"the network has a {type(module).__name__} module: a network must map every point by itself "
                    "and without random numbers"
                )
        shapes = [parameter.shape for parameter in self._template.parameters()]
        if not shapes:
            raise TypeError("the network has no parameters, so nothing would be trained")
        self._store(width=max((shape[0] for shape in shapes if len(shape)), default=1))

    def draw(self, channels: int, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Parameters, and buffers of real numbers, of a new module.

        Raises
        ------
        ValueError
            If it does not have ``channels`` outputs at points of dimension ``dim``.
        """
        import torch

        module = self._made(int(rng.integers(2**63)))
        with torch.no_grad():
            found = tuple(module.double()(torch.zeros(2, self.dim, dtype=torch.float64)).shape)
        if found != (2, channels):
            raise ValueError(
                f"the network maps 2 points in {self.dim} dimension(s) to the shape {found}; "
                f"this target needs (2, {channels})"
            )
        state = {**dict(module.named_parameters()), **dict(_real_buffers(module))}
        return {name: tensor.detach().numpy().astype(np.float64) for name, tensor in state.items()}

    def block_rates(self, blocks: Mapping[str, object]) -> dict[str, float]:
        """1 for parameters that require a gradient, 0 for others and for buffers."""
        trained = {name for name, parameter in self._template.named_parameters() if parameter.requires_grad}
        return {name: float(name in trained) for name in blocks}

    def factors(self) -> dict[str, FloatArray | float]:
        """None."""
        return {}

    def features(self, blocks: Blocks, points: Tensor) -> Tensor:
        """The coordinates."""
        return points

    def outputs(self, blocks: Blocks, features: Tensor) -> Tensor:
        """All members by one call, ``(S, n, C)``."""
        import torch

        def single(state: dict[str, Tensor], points: Tensor) -> Tensor:
            result: Tensor = torch.func.functional_call(self._template, state, (points,))
            return result

        state = dict(blocks)
        shared = features.shape[0] == 1
        outputs: Tensor = torch.vmap(single, in_dims=(0, None if shared else 0))(
            state, features[0] if shared else features
        )
        return outputs

    @cached_property
    def _template(self) -> nn.Module:
        return self._made(0)

    def _made(self, seed: int) -> nn.Module:
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = self.build()
        if not isinstance(module, torch.nn.Module):
            raise TypeError(f"build must return a torch.nn.Module, not a {type(module).__name__}")
        return module


def _real_buffers(module: nn.Module) -> list[tuple[str, Tensor]]:
    return [(name, buffer) for name, buffer in module.named_buffers() if buffer.is_floating_point()]
