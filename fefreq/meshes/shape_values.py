"""Basis functions of finite elements at given places of given cells."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from fefreq.meshes.box_tree import IndexArray
from fefreq.support.arrays import FloatArray

if TYPE_CHECKING:
    from skfem import Basis, Mesh

_BLOCK = 1 << 15  # cells treated at once: bounds the memory


def shape_values(basis: Basis, cells: IndexArray, local: FloatArray) -> FloatArray:
    """Evaluate the basis functions of given cells at given places in them.

    Parameters
    ----------
    basis : skfem.Basis
        Of a scalar element.
    cells : ndarray
        Shape ``(n,)``: numbers of cells.
    local : ndarray
        Shape ``(n, dim)``: coordinates in the reference cell.

    Returns
    -------
    ndarray
        Shape ``(n, basis.Nbfun)``, in the order of ``basis.dofs.element_dofs``.

    Raises
    ------
    TypeError
        If the element is not scalar.
    """
    element = _fresh(basis.elem, len(cells))
    values = np.empty((len(cells), basis.Nbfun))
    if is_parametric(basis):
        for i in range(basis.Nbfun):
            values[:, i] = element.lbasis(local.T, i)[0]
        return values
    mapping = copy.copy(basis.mapping)
    for start in range(0, len(cells), _BLOCK):
        mapping._cache = {}  # skfem keeps every Jacobian that a mapping was ever asked for
        block = slice(start, start + _BLOCK)
        for i in range(basis.Nbfun):
            fields = element.gbasis(mapping, local[block].T[:, :, None], i, tind=cells[block])
            if len(fields) != 1 or np.shape(fields[0]) != (len(cells[block]), 1):
                raise TypeError(
                    f"{type(element).__name__} is not a scalar element; evaluate its components separately"
                )
            values[block, i] = np.asarray(fields[0])[:, 0]
    return values


def is_parametric(basis: Basis) -> bool:
    """Tell whether the basis functions are the same in every reference cell."""
    from skfem.element import ElementDG, ElementH1

    element = basis.elem
    while isinstance(element, ElementDG):
        element = element.elem
    return isinstance(element, ElementH1) and type(element).gbasis is ElementH1.gbasis


def vertex_element(mesh: Mesh) -> Any:
    """Give the element of order 1 on the cells of a mesh, whose functions belong to the vertices."""
    from skfem import ElementHex1, ElementLineP1, ElementQuad1, ElementTetP1, ElementTriP1

    elements = (ElementLineP1, ElementTriP1, ElementQuad1, ElementTetP1, ElementHex1)
    return next(element() for element in elements if element.refdom is mesh.refdom)


def _fresh(element: Any, count: int) -> Any:
    """Copy an element without the Legendre values it keeps and takes for those of any ``count`` points."""
    from skfem.element import ElementDG, ElementLinePp

    element = copy.copy(element)
    if isinstance(element, ElementDG):
        element.elem = _fresh(element.elem, count)
    elif isinstance(element, ElementLinePp):
        element.P = np.zeros((0, count + 1))
    return element
