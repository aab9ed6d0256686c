r"""Gradient confusion: whether two samples pull the parameters the same way.

With ``ℓ_i = ½ ‖r_i‖²`` the loss of sample ``i`` and ``θ`` all weights and biases, the confusion of a pair is
``cos(∇_θ ℓ_i, ∇_θ ℓ_j)``; a negative value means that descending on one sample climbs on the other. For a
scalar output it equals ``sign(r_i r_j) K_ij / (K_ii K_jj)^½`` with the tangent kernel ``K``.

The gradient of layer ``l`` is the outer product ``δ_l a_{l-1}ᵀ`` (and ``δ_l`` for the bias), so inner
products of gradients never need the gradients themselves:

    ⟨∇ℓ_i, ∇ℓ_j⟩ = Σ_l ⟨δ_l(i), δ_l(j)⟩ ( ⟨a_{l-1}(i), a_{l-1}(j)⟩ + 1 ),

two small matrix products a layer instead of an ``n × P`` Jacobian. Back-propagation starts from
``δ_{L+1} = r_i``; the sign convention of the residual cancels. For another loss pass its derivative with
respect to the outputs in place of the residuals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from fefreq.support.arrays import FloatArray
from harness.relu.memory import available_memory, largest_square, require_memory, rows_per_chunk
from harness.relu.network import ReluNetwork, host_array
from harness.relu.pairs import checked_pairs


@dataclass(frozen=True, eq=False)
class GradientConfusion:
    """Cosines between per-sample gradients of sampled pairs.

    Attributes
    ----------
    cosines : ndarray, shape (m,)
        ``cos(∇_θ ℓ_i, ∇_θ ℓ_j)``; 0 where a gradient vanishes.
    """

    cosines: FloatArray

    @property
    def mean(self) -> float:
        """Mean cosine."""
        return float(self.cosines.mean())

    @property
    def spread(self) -> float:
        """Standard deviation of the cosine over the pairs."""
        return float(self.cosines.std())

    @property
    def alignment(self) -> float:
        """Mean modulus of the cosine: 1 if gradients span one line, whether they agree or oppose."""
        return float(np.abs(self.cosines).mean())

    @property
    def confused(self) -> float:
        """Share of pairs with a negative cosine."""
        return float(np.mean(self.cosines < 0))


def gradient_gram(
    network: nn.Module | ReluNetwork,
    points: ArrayLike | Tensor,
    residuals: ArrayLike | Tensor | None = None,
    *,
    memory: int | None = None,
) -> FloatArray:
    """Gram matrix ``⟨∇_θ ℓ_i, ∇_θ ℓ_j⟩`` of per-sample loss gradients.

    Parameters
    ----------
    network : torch.nn.Sequential or ReluNetwork
        See :meth:`ReluNetwork.of`.
    points : array_like or Tensor, shape (n, dim)
        In coordinates, before the encoding.
    residuals : array_like or Tensor, shape (n,) or (n, outputs), optional
        ``r_i``. Without them, for a scalar output, the tangent kernel ``K`` itself.
    memory : int, optional
        Bytes that may be used; by default what the machine has left.

    Returns
    -------
    ndarray, shape (n, n)
        In float64; computed in the precision of the network.

    Raises
    ------
    ValueError
        If points or residuals do not fit the network or each other, or the matrix does not fit into memory.
    """
    net = ReluNetwork.of(network)
    inputs = net.inputs(points)
    starts = _cast(net, _output_gradients(net, residuals, len(inputs)))
    return _gram(net, inputs, starts, memory).double().numpy(force=True)


def gradient_confusion(
    network: nn.Module | ReluNetwork,
    points: ArrayLike | Tensor,
    residuals: ArrayLike | Tensor,
    pairs: ArrayLike,
) -> GradientConfusion:
    """Cosines between the loss gradients of chosen pairs of samples.

    Parameters
    ----------
    network : torch.nn.Sequential or ReluNetwork
        See :meth:`ReluNetwork.of`.
    points : array_like or Tensor, shape (n, dim)
        In coordinates, before the encoding.
    residuals : array_like or Tensor, shape (n,) or (n, outputs)
        ``r_i``; only its direction matters, so the cosines stay exact however small the residual has become.
    pairs : array_like of int, shape (m, 2)
        Indices of points, from :func:`local_pairs` or :func:`global_pairs`.

    Returns
    -------
    GradientConfusion

    Raises
    ------
    ValueError
        If points or residuals do not fit the network or each other, or there is no pair.
    """
    net = ReluNetwork.of(network)
    inputs = net.inputs(points)
    starts = _cast(net, _directions(_output_gradients(net, residuals, len(inputs))))
    index = checked_pairs(pairs, len(inputs))
    cosines = np.empty(len(index))
    per_point = sum(layer.in_features + layer.out_features for layer in net.layers)
    step = rows_per_chunk(4 * per_point * net.dtype.itemsize)
    for begin in range(0, len(index), step):
        rows = slice(begin, begin + step)
        # A sample that several pairs share is differentiated once.
        used, local = np.unique(index[rows], return_inverse=True)
        chosen = torch.as_tensor(used, device=net.device)
        first, second = torch.as_tensor(local.reshape(-1, 2).T, device=net.device)
        products = torch.zeros(len(first), dtype=net.dtype, device=net.device)
        squares = torch.zeros(len(used), dtype=net.dtype, device=net.device)
        for a, delta, bias in _factors(net, inputs[chosen], starts[chosen]):
            products += _dots(delta[first], delta[second]) * (_dots(a[first], a[second]) + bias)
            squares += _dots(delta, delta) * (_dots(a, a) + bias)
        norms = torch.sqrt(squares[first]) * torch.sqrt(squares[second])
        cosine = torch.where(norms > 0, products / norms, torch.zeros_like(norms))
        cosines[rows] = cosine.double().clamp(-1, 1).cpu().numpy()
    return GradientConfusion(cosines)


def gradient_cosines(
    network: nn.Module | ReluNetwork,
    points: ArrayLike | Tensor,
    residuals: ArrayLike | Tensor,
    *,
    memory: int | None = None,
) -> FloatArray:
    """Cosines between the loss gradients of all samples.

    Parameters
    ----------
    network : torch.nn.Sequential or ReluNetwork
        See :meth:`ReluNetwork.of`.
    points : array_like or Tensor, shape (n, dim)
        In coordinates, before the encoding.
    residuals : array_like or Tensor, shape (n,) or (n, outputs)
        ``r_i``; only its direction matters.
    memory : int, optional
        Bytes that may be used; by default what the machine has left.

    Returns
    -------
    ndarray, shape (n, n)
        ``cos(∇_θ ℓ_i, ∇_θ ℓ_j)``; 0 where a gradient vanishes.

    Raises
    ------
    ValueError
        As :func:`gradient_gram`.
    """
    net = ReluNetwork.of(network)
    inputs = net.inputs(points)
    starts = _cast(net, _directions(_output_gradients(net, residuals, len(inputs))))
    gram = _gram(net, inputs, starts, memory).double()
    scale = torch.sqrt(torch.diagonal(gram))
    inverse = torch.where(scale > 0, 1 / scale, torch.zeros_like(scale))
    return gram.mul_(inverse[:, None]).mul_(inverse).clamp_(-1, 1).cpu().numpy()


def _gram(net: ReluNetwork, inputs: Tensor, starts: Tensor, memory: int | None) -> Tensor:
    budget = available_memory() if memory is None else memory
    # Three n × n matrices in the precision of the network; a result in float64 replaces two of them.
    features = sum(layer.in_features + layer.out_features for layer in net.layers)
    fitting = largest_square(budget, features * net.dtype.itemsize, 3 * net.dtype.itemsize)
    remedy = "compare sampled pairs with gradient_confusion instead"
    require_memory(len(inputs), fitting, budget, "the gradient Gram matrix", remedy)
    n = len(inputs)
    total = torch.zeros(n, n, dtype=net.dtype, device=net.device)
    scratch = torch.empty_like(total)
    for a, delta, bias in _factors(net, inputs, starts):
        forward = torch.addmm(torch.full((), bias, dtype=net.dtype, device=net.device), a, a.T)
        torch.mm(delta, delta.T, out=scratch)
        total.addcmul_(forward, scratch)
    return total


def _factors(net: ReluNetwork, inputs: Tensor, starts: Tensor) -> Iterator[tuple[Tensor, Tensor, float]]:
    """Yield, last layer first, ``a_{l-1}``, ``δ_l`` and 1 for a layer with bias or 0 without."""
    with torch.no_grad():
        activations = [net.encode(inputs)]
        for layer in net.layers[:-1]:
            activations.append(torch.relu(layer(activations[-1])))
        delta = starts
        for layer, a in zip(reversed(net.layers), reversed(activations), strict=True):
            yield a, delta, 0.0 if layer.bias is None else 1.0
            if layer is not net.layers[0]:
                delta = (delta @ layer.weight) * (a > 0)


def _output_gradients(net: ReluNetwork, residuals: ArrayLike | Tensor | None, n: int) -> FloatArray:
    if residuals is None:
        if net.outputs > 1:
            raise ValueError(
                f"a network with {net.outputs} outputs needs residuals: one loss gradient per sample"
            )
        return np.ones((n, 1))
    array = host_array(residuals, "residuals")
    if array.shape != (n, net.outputs) and not (net.outputs == 1 and array.shape == (n,)):
        wanted = f"({n},) or ({n}, 1)" if net.outputs == 1 else f"({n}, {net.outputs})"
        raise ValueError(
            f"residuals have shape {array.shape}; {n} points and {net.outputs} output(s) need {wanted}"
        )
    return np.asarray(array.reshape(n, net.outputs))


def _directions(starts: FloatArray) -> FloatArray:
    # Divide by the largest entry first: squares of small residuals would underflow.
    largest = np.abs(starts).max(axis=1, keepdims=True)
    scaled: FloatArray = np.divide(starts, largest, out=np.zeros_like(starts), where=largest > 0)
    norms = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.asarray(np.divide(scaled, norms, out=scaled, where=norms > 0))


def _cast(net: ReluNetwork, starts: FloatArray) -> Tensor:
    return torch.tensor(starts).to(net.device, net.dtype)


def _dots(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=1)
