r"""Gradient Gram matrices by automatic differentiation, for networks of any kind.

``torch.func`` differentiates every sample on its own and keeps the whole ``n × P`` Jacobian. It is the
reference that the factored products of :mod:`harness.relu.gradients` are held against, and the way out where
they do not apply.
"""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from fefreq.support.arrays import FloatArray
from harness.relu.memory import available_memory, largest_square, require_memory
from harness.relu.network import host_array


def autograd_gram(
    network: nn.Module,
    points: ArrayLike | Tensor,
    residuals: ArrayLike | Tensor,
    *,
    memory: int | None = None,
) -> FloatArray:
    """Gram matrix of loss gradients for any torch module, by ``torch.func`` and the full Jacobian.

    Slow and large, but general: other activations, trained encodings, any layer that treats samples one by
    one.

    Parameters
    ----------
    network : torch.nn.Module
        Maps points ``(n, dim)`` to outputs ``(n, outputs)``, each sample on its own.
    points : array_like or Tensor, shape (n, dim)
        In coordinates; ``(n,)`` counts as one dimension.
    residuals : array_like or Tensor, shape (n,) or (n, outputs)
        ``r_i``.
    memory : int, optional
        Bytes that may be used; by default what the machine has left.

    Returns
    -------
    ndarray, shape (n, n)

    Raises
    ------
    ValueError
        If the network has no parameters, shapes do not fit, or the Jacobian does not fit into memory.
    """
    parameters = {name: parameter.detach() for name, parameter in network.named_parameters()}
    if not parameters:
        raise ValueError("the network has no parameters, so there is no gradient")
    one = next(iter(parameters.values()))
    inputs = torch.tensor(host_array(points, "points")).to(one)
    inputs = inputs[:, None] if inputs.ndim == 1 else inputs
    starts = torch.tensor(host_array(residuals, "residuals")).to(one).reshape(len(inputs), -1)
    budget = available_memory() if memory is None else memory
    size = one.dtype.itemsize
    fitting = largest_square(budget, 2 * size * sum(map(torch.numel, parameters.values())), 2 * size)
    require_memory(len(inputs), fitting, budget, "the Jacobian", "use gradient_gram on a ReLU network")
    buffers = dict(network.named_buffers())

    def loss_change(values: dict[str, Tensor], point: Tensor, start: Tensor) -> Tensor:
        outputs: Tensor = torch.func.functional_call(network, (values, buffers), (point[None],))
        return (outputs[0] * start).sum()

    gradients = torch.func.vmap(torch.func.grad(loss_change), in_dims=(None, 0, 0))(
        parameters, inputs, starts
    )
    total = torch.zeros(len(inputs), len(inputs), dtype=one.dtype, device=one.device)
    for gradient in gradients.values():
        rows = gradient.flatten(1)
        total.addmm_(rows, rows.T)
    return total.double().numpy(force=True)
