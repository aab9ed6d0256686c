r"""What the weights alone say: Lipschitz bounds and the angles between hyperplanes.

The product of the largest singular values of all layers bounds the Lipschitz constant in network-input space,
because ReLU does not stretch. The rows of one layer are normals of hyperplanes in one space, and their
cosines say how differently its units cut it; rows of different layers live in different spaces and are not
compared (Lazzari and Liu, arXiv 2301.05816).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from fefreq.support.arrays import FloatArray
from harness.relu.network import ReluNetwork


@dataclass(frozen=True, eq=False)
class WeightNorms:
    """Spectral norms of the weights.

    Attributes
    ----------
    layers : ndarray, shape (L + 1,)
        Largest singular value of every layer, the output layer last.
    """

    layers: FloatArray

    @property
    def product(self) -> float:
        """Product of all layers, a Lipschitz constant in network-input space."""
        return float(np.prod(self.layers))


def weight_norms(network: nn.Module | ReluNetwork) -> WeightNorms:
    """Largest singular value of every layer.

    Parameters
    ----------
    network : torch.nn.Sequential or ReluNetwork
        See :meth:`ReluNetwork.of`.

    Returns
    -------
    WeightNorms

    Examples
    --------
    >>> from harness.relu import relu_network
    >>> norms = weight_norms(relu_network(dim=1, width=8, hidden_layers=2))
    >>> norms.layers.shape, bool(norms.product > 0)
    ((3,), True)
    """
    return WeightNorms(np.array([np.linalg.norm(weight, 2) for weight in ReluNetwork.of(network).weights()]))


def hyperplane_cosines(network: nn.Module | ReluNetwork) -> tuple[FloatArray, ...]:
    """Cosines between the weight rows of each hidden layer.

    Parameters
    ----------
    network : torch.nn.Sequential or ReluNetwork
        See :meth:`ReluNetwork.of`.

    Returns
    -------
    tuple of ndarray
        For every hidden layer the ``k(k-1)/2`` pairs of its ``k`` rows. A row of zeros is no hyperplane and
        takes no part.
    """
    return tuple(_row_cosines(weight) for weight in ReluNetwork.of(network).weights()[:-1])


def _row_cosines(weight: FloatArray) -> FloatArray:
    norms = np.linalg.norm(weight, axis=1)
    rows = weight[norms > 0] / norms[norms > 0, None]
    cosines: FloatArray = (rows @ rows.T)[np.triu_indices(len(rows), 1)]
    return np.clip(cosines, -1, 1)
