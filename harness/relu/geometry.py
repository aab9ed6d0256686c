r"""How wide activation regions are, and how far encoded points lie apart.

*Region width.* While ``x`` stays in its region, ``z_k`` is affine with gradient ``∇_x z_k``, so the boundary
that unit ``k`` draws lies at distance ``|z_k(x)| / ‖∇_x z_k(x)‖`` and the nearest boundary at the smallest of
them. (Dividing by the norm of a weight row, as arXiv 2301.05816 does in deeper layers, measures a distance in
hidden space.) Without an encoding this is exact; behind one it is the first-order distance along the curved
units.

*In-sphere.* The units of the first layer alone cut network-input space into polytopes. The largest ball
inside the one that holds a point is a linear programme: maximise ``r`` subject to
``s_k (w_k·c + b_k) ≥ r ‖w_k‖`` for every unit, with signs ``s_k`` read at the point.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.optimize import linprog
from torch import Tensor, nn

from fefreq.support.arrays import FloatArray, as_points
from harness.networks.encoding import PositionalEncoding
from harness.relu.memory import rows_per_chunk
from harness.relu.network import ReluNetwork, host_array
from harness.relu.pairs import checked_pairs

# Status of scipy.optimize.linprog.
UNBOUNDED = 3


def region_widths(network: nn.Module | ReluNetwork, points: ArrayLike | Tensor) -> FloatArray:
    """Distance from every point to the nearest boundary of its activation region.

    Parameters
    ----------
    network : torch.nn.Sequential or ReluNetwork
        See :meth:`ReluNetwork.of`.
    points : array_like or Tensor, shape (n, dim)
        In coordinates, before the encoding.

    Returns
    -------
    ndarray, shape (n,)
        ``min_k |z_k| / ‖∇_x z_k‖`` in units of the coordinates; infinite if no unit depends on the point.

    Raises
    ------
    ValueError
        If the points do not fit the network.

    Examples
    --------
    >>> from torch import nn
    >>> hinge = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1))
    >>> _ = nn.init.constant_(hinge[0].weight, 2.0), nn.init.constant_(hinge[0].bias, -1.0)
    >>> region_widths(hinge, [0.0, 0.75])
    array([0.5 , 0.25])
    """
    net = ReluNetwork.of(network)
    inputs = net.inputs(points)
    widths = np.empty(len(inputs))
    step = rows_per_chunk(3 * max(*net.widths, net.layers[0].in_features) * net.dim * net.dtype.itemsize)
    with torch.no_grad():
        for start in range(0, len(inputs), step):
            rows = slice(start, start + step)
            widths[rows] = _nearest_boundary(net, inputs[rows]).double().cpu().numpy()
    return widths


def in_sphere_radii(
    network: nn.Module | ReluNetwork,
    points: ArrayLike | Tensor,
    *,
    bounds: tuple[float, float] | None = None,
) -> FloatArray:
    """Radius of the largest ball in the first-layer polytope that holds each point.

    One linear programme (HiGHS) for every different polytope, so the cost grows with those, not with the
    points.

    Parameters
    ----------
    network : torch.nn.Sequential or ReluNetwork
        See :meth:`ReluNetwork.of`.
    points : array_like or Tensor, shape (n, dim)
        In coordinates, before the encoding; the polytopes are those of network-input space.
    bounds : (lower, upper), optional
        Cut every polytope by this box, the same for all axes of network-input space: the range of the
        coordinates, or ``(-1, 1)`` behind a sinusoidal encoding.

    Returns
    -------
    ndarray, shape (n,)
        Radii in network-input space; infinite in an unbounded polytope that holds balls of any size.

    Raises
    ------
    ValueError
        If the points do not fit the network, the box is empty, or a point lies outside of it.
    """
    net = ReluNetwork.of(network)
    with torch.no_grad():
        encoded = net.encode(net.inputs(points)).double().cpu().numpy()
    normals, offsets = net.weights()[0], net.biases()[0]
    if bounds is not None:
        lower, upper = bounds
        if not lower < upper:
            raise ValueError(f"the box from {lower} to {upper} is empty: its lower bound must be smaller")
        outside = int(np.sum(np.any((encoded < lower) | (encoded > upper), axis=1)))
        if outside:
            raise ValueError(
                f"{outside} of {len(encoded)} points lie outside the box from {lower} to {upper}"
            )
        unit = np.eye(encoded.shape[1])
        normals = np.concatenate([normals, unit, -unit])
        offsets = np.concatenate([offsets, np.full(len(unit), -lower), np.full(len(unit), upper)])
    signs = np.where(encoded @ normals.T + offsets > 0, 1.0, -1.0)
    if bounds is not None:
        signs[:, -2 * encoded.shape[1] :] = 1.0
    _, first, inverse = np.unique(signs, axis=0, return_index=True, return_inverse=True)
    radii = np.array(
        [_chebyshev_radius(signs[i, :, None] * normals, signs[i] * offsets, encoded[i]) for i in first]
    )
    return np.asarray(radii[inverse.ravel()])


def encoding_distances(
    network: nn.Module | ReluNetwork, points: ArrayLike | Tensor, pairs: ArrayLike
) -> FloatArray:
    """Distance of the two points of every pair in network-input space.

    Parameters
    ----------
    network : torch.nn.Sequential or ReluNetwork
        Without an encoding the distance is that of the coordinates.
    points : array_like or Tensor, shape (n, dim)
        In coordinates.
    pairs : array_like of int, shape (m, 2)
        Indices of points, from :func:`local_pairs` or :func:`global_pairs`.

    Returns
    -------
    ndarray, shape (m,)
        In float64, by :meth:`PositionalEncoding.distance` where that applies.

    Raises
    ------
    ValueError
        If the points do not fit the network, or there is no pair.
    """
    net = ReluNetwork.of(network)
    coordinates = as_points(
        host_array(points, "points"), net.dim, f"points of a network on {net.dim} coordinate(s)"
    )
    index = checked_pairs(pairs, len(coordinates))
    if isinstance(net.encoding, PositionalEncoding):
        return net.encoding.distance(coordinates[index[:, 0]] - coordinates[index[:, 1]])
    with torch.no_grad():
        encoded = net.encode(net.inputs(coordinates)).double().cpu().numpy()
    return np.asarray(np.linalg.norm(encoded[index[:, 0]] - encoded[index[:, 1]], axis=1))


def _nearest_boundary(net: ReluNetwork, inputs: Tensor) -> Tensor:
    a = net.encode(inputs)
    if net.encoding is None:
        slopes = torch.eye(net.dim, dtype=a.dtype, device=a.device).expand(len(a), -1, -1)
    else:
        slopes = net.encoding.jacobian(inputs)
    nearest = torch.full((len(a),), torch.inf, dtype=a.dtype, device=a.device)
    for layer in net.layers[:-1]:
        z = layer(a)
        slopes = layer.weight @ slopes
        steepness = torch.linalg.vector_norm(slopes, dim=2)
        # A unit whose inputs are all off is constant here and draws no boundary.
        distance = torch.where(steepness > 0, z.abs() / steepness, torch.inf)
        nearest = torch.minimum(nearest, distance.amin(dim=1))
        slopes = slopes * (z > 0)[..., None]
        a = torch.relu(z)
    return nearest


def _chebyshev_radius(normals: FloatArray, offsets: FloatArray, inside: FloatArray) -> float:
    """Radius of the largest ball in ``{c : normals c + offsets ≥ 0}``, a polytope that holds ``inside``."""
    norms = np.linalg.norm(normals, axis=1)
    facets = norms > 0
    unit = normals[facets] / norms[facets, None]
    distances = np.maximum(unit @ inside + offsets[facets] / norms[facets], 0)
    dim = normals.shape[1]
    # Lengths in units of the nearest facets, from the given point: HiGHS works to absolute tolerances.
    scale = float(np.mean(np.sort(distances)[: 2 * dim])) or 1.0
    cost = np.zeros(dim + 1)
    cost[-1] = -1.0
    result = linprog(
        cost,
        A_ub=np.column_stack([-unit, np.ones(len(unit))]),
        b_ub=distances / scale,
        bounds=[(None, None)] * dim + [(0, None)],
        method="highs",
        # Presolve may answer "infeasible or unbounded"; the simplex method tells them apart.
        options={"presolve": False},
    )
    if result.status == UNBOUNDED:
        return np.inf
    if result.status != 0 or result.x is None:
        raise RuntimeError(f"HiGHS did not find the in-sphere: {result.message}")
    return scale * float(result.x[-1])
