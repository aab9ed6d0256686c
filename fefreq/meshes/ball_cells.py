r"""Discs of triangles and balls of tetrahedra, of any number of shells.

A hexagon, or an icosahedron, is a fan of equal simplices around its centre. Each is divided along a lattice
(Freudenthal's division, in the same order on both sides of a common face), and the shells of the lattice are made
round:

.. math:: x = \sum_i λ_i v_i \;\mapsto\; s \frac{x}{|x|} , \qquad s = \sum_i λ_i ,

with the barycentric coordinates of the corners on the sphere. Cells stay between two neighbouring shells, so none
is flattened on the sphere, and all are of about one size: their number grows as the size to the power ``-dim``. The
mesh is its own mirror image at the origin.
"""

from __future__ import annotations

from itertools import combinations, permutations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fefreq.support.arrays import FloatArray

if TYPE_CHECKING:
    from skfem import Mesh

# Simplices in the fan.
FAN = {2: 6, 3: 20}
# Bound of the longest side in the unit ball times the number of shells.
LONGEST = {2: 1.33, 3: 1.96}
# Bytes that making a mesh takes, per cell.
BYTES = {2: 110.0, 3: 100.0}


def unit_ball(dim: int, shells: int) -> Mesh:
    """Mesh of the unit disc or ball: 6 n² triangles or 20 n³ tetrahedra for n shells.

    Parameters
    ----------
    dim : int
        2 or 3.
    shells : int
        At least 1.
    """
    import skfem

    directions = _directions(dim)
    multiples, pieces = _lattice(dim, shells)
    # Corners and their opposites follow one another, so that sorted faces have opposites sorted alike.
    edge = np.min(np.linalg.norm(directions[1:] - directions[0], axis=1))
    faces = [
        face
        for face in combinations(range(len(directions)), dim)
        if all(np.linalg.norm(directions[a] - directions[b]) < 1.1 * edge for a, b in combinations(face, 2))
    ]
    # A point is known by the multiples of the corners that make it up, whichever simplex it is seen from.
    numbers = np.random.default_rng(0).integers(2**64, size=len(directions), dtype=np.uint64)
    keys = np.stack([multiples.astype(np.uint64) @ numbers[list(face)] for face in faces])
    _, first, number = np.unique(keys, return_index=True, return_inverse=True)
    places = np.concatenate([multiples @ directions[list(face)] for face in faces])[first]
    radius = np.tile(multiples.sum(axis=1), len(faces))[first] / shells
    norm = np.linalg.norm(places, axis=1)
    points = places * np.divide(radius, norm, out=np.zeros_like(norm), where=norm > 0)[:, None]
    cells = number.reshape(len(faces), -1)[:, pieces].reshape(-1, dim + 1)
    kind = skfem.MeshTri if dim == 2 else skfem.MeshTet
    return kind(np.ascontiguousarray(points.T), np.ascontiguousarray(cells.T.astype(np.int32)))


def _directions(dim: int) -> FloatArray:
    """Corners of the hexagon or the icosahedron on the unit sphere, each followed by its opposite."""
    if dim == 2:
        angles = np.arange(3) * np.pi / 3
        axes = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    else:
        golden = (1 + np.sqrt(5)) / 2
        planar = np.array([[0.0, 1.0, golden], [0.0, 1.0, -golden]])
        axes = np.concatenate([np.roll(planar, shift, axis=1) for shift in range(3)]) / np.hypot(1, golden)
    return np.stack([axes, -axes], axis=1).reshape(-1, dim)


def _lattice(dim: int, n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Lattice of a simplex at the origin.

    Returns
    -------
    multiples : ndarray, shape (points, dim)
        Of the corners other than the origin, in units of ``1 / n``.
    pieces : ndarray, shape (n**dim, dim + 1)
        Points of the small simplices.
    """
    # With y_i the multiples of corner i and all after it, the simplex is n >= y_1 >= ... >= y_dim >= 0, which is
    # tiled by the simplices of the same kind in the unit boxes, one for each order of the axes.
    grid = np.indices((n + 1,) * dim).reshape(dim, -1).T
    y = grid[(np.diff(grid, axis=1) <= 0).all(axis=1)]
    number = np.full((n + 2,) * dim, -1)
    number[tuple(y.T)] = np.arange(len(y))
    pieces = []
    for path in permutations(np.eye(dim, dtype=np.intp)):
        corners = y[:, None, :] + np.cumsum([np.zeros(dim, dtype=np.intp), *path], axis=0)
        found = number[tuple(np.moveaxis(corners, 2, 0))]
        pieces.append(found[(found >= 0).all(axis=1)])
    return y - np.pad(y[:, 1:], ((0, 0), (0, 1))), np.concatenate(pieces)
