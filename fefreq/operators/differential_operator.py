r"""Linear differential operators with constant coefficients, ``ℒ = Σ c_α ∂^α``, and their symbols.

A plane wave is an eigenfunction of every one of them,

.. math:: ℒ e^{2πi ξ·x} = p(ξ) \, e^{2πi ξ·x} , \qquad p(ξ) = \sum_α c_α (2πi ξ)^α ,

so that all a kernel or a spectrum needs to know of the operator is its symbol, the polynomial ``p``. Coefficients
that vary in space have no symbol, and those that are not real would make a real function complex: both are refused.
Time is one of the coordinates, by custom the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from fefreq.support.arrays import ComplexArray, FloatArray, as_points

Index = tuple[int, ...]
SymbolParity = Literal["real", "imaginary", "mixed"]

AXES = ("x", "y", "z")
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class DifferentialOperator:
    """A linear differential operator with constant real coefficients.

    Built by arithmetic from :func:`derivatives`; a number in a sum stands for a multiple of the identity. Equal
    operators compare equal, however they were built.

    Parameters
    ----------
    coefficients : mapping of tuple of int to float
        The ``c_α`` by multi-index ``α``, one order per coordinate; an empty mapping needs ``coordinates``.
    coordinates : sequence of str, optional
        What the coordinates are called when the operator is printed; by default ``x, y, z``, or ``x0, x1, …`` in
        more dimensions.

    Raises
    ------
    TypeError
        If a coefficient is no real number.
    ValueError
        If a coefficient is not finite, or multi-indices do not belong to one dimension.

    Examples
    --------
    >>> d = derivatives(2)
    >>> operator = d[0] ** 2 + d[1] ** 2 + 4.0
    >>> print(operator)
    ∂x² u + ∂y² u + 4 u
    >>> operator.order, operator.dim, operator.parity
    (2, 2, 'real')
    >>> operator.symbol([[0.0, 0.0], [1.0, 0.0]]).real.round(3)
    array([  4.   , -35.478])
    """

    __array_ufunc__ = None  # so that an array times an operator ends here, in a sentence

    def __init__(
        self, coefficients: Mapping[Index, float], coordinates: tuple[str, ...] | None = None
    ) -> None:
        dims = {len(index) for index in coefficients}
        if coordinates is not None:
            dims.add(len(coordinates))
        if len(dims) != 1 or 0 in dims:
            raise ValueError(
                f"multi-indices must have one entry for each of the same coordinates, not {sorted(dims)} entries"
            )
        (self.dim,) = dims
        for index in coefficients:
            if any(isinstance(a, bool) or not isinstance(a, (int, np.integer)) or a < 0 for a in index):
                raise ValueError(f"a multi-index consists of integers from 0 on, unlike {index}")
        constants = {tuple(map(int, index)): _constant(value) for index, value in coefficients.items()}
        self.coordinates = _names(self.dim) if coordinates is None else tuple(coordinates)
        self.coefficients: dict[Index, float] = {
            index: constants[index] for index in sorted(constants, key=_place) if constants[index] != 0.0
        }

    @classmethod
    def identity(cls, dim: int) -> DifferentialOperator:
        """The operator that leaves functions as they are."""
        return cls({(0,) * dim: 1.0})

    @property
    def order(self) -> int:
        """Highest order of a derivative; 0 of multiples of the identity."""
        return max((sum(index) for index in self.coefficients), default=0)

    @property
    def constant(self) -> float:
        """The coefficient of the identity, ``p(0)``."""
        return self.coefficients.get((0,) * self.dim, 0.0)

    @property
    def parity(self) -> SymbolParity:
        """Whether the symbol is real (even orders only), imaginary (odd orders only) or mixed."""
        odd = {sum(index) % 2 for index in self.coefficients}
        if odd == {0, 1}:
            return "mixed"
        return "imaginary" if odd == {1} else "real"

    def symbol(self, frequencies: ArrayLike) -> ComplexArray:
        """The polynomial ``p(ξ) = Σ c_α (2πi ξ)^α``.

        Parameters
        ----------
        frequencies : array_like, shape (n, d)
            In cycles per unit length.

        Returns
        -------
        ndarray of complex, shape (n,)
        """
        xi = as_points(frequencies, self.dim, "frequencies")
        return _polynomial(self.coefficients, xi)

    def symbol_gradient(self, frequencies: ArrayLike) -> ComplexArray:
        """The gradient ``∇p``, shape ``(n, d)``: what networks whose frequencies are trained see of the operator."""
        xi = as_points(frequencies, self.dim, "frequencies")
        gradient = np.empty(xi.shape, dtype=np.complex128)
        for axis in range(self.dim):
            lowered = {
                (*index[:axis], index[axis] - 1, *index[axis + 1 :]): index[axis] * value
                for index, value in self.coefficients.items()
                if index[axis] > 0
            }
            gradient[:, axis] = 2j * np.pi * _polynomial(lowered, xi)
        return gradient

    def __add__(self, other: DifferentialOperator | float) -> DifferentialOperator:
        added = self._like(other)
        total = dict(self.coefficients)
        for index, value in added.coefficients.items():
            total[index] = total.get(index, 0.0) + value
        return DifferentialOperator(total, self.coordinates)

    __radd__ = __add__

    def __neg__(self) -> DifferentialOperator:
        return -1.0 * self

    def __sub__(self, other: DifferentialOperator | float) -> DifferentialOperator:
        return self + (-1.0) * self._like(other)

    def __rsub__(self, other: float) -> DifferentialOperator:
        return -self + other

    def __mul__(self, other: DifferentialOperator | float) -> DifferentialOperator:
        factor = self._like(other)
        total: dict[Index, float] = {}
        for left, a in self.coefficients.items():
            for right, b in factor.coefficients.items():
                index = tuple(i + j for i, j in zip(left, right, strict=True))
                total[index] = total.get(index, 0.0) + a * b
        return DifferentialOperator(total, self.coordinates)

    __rmul__ = __mul__

    def __truediv__(self, other: float) -> DifferentialOperator:
        divisor = _constant(other)
        if divisor == 0.0:
            raise ZeroDivisionError("an operator cannot be divided by zero")
        return self * (1.0 / divisor)

    def __pow__(self, power: int) -> DifferentialOperator:
        if isinstance(power, bool) or not isinstance(power, (int, np.integer)):
            raise TypeError(f"powers of operators are integers, not {power!r}")
        if power < 0:
            raise ValueError(
                f"powers of operators are at least 0, not {power}: inverses are no differential operators"
            )
        result = DifferentialOperator({(0,) * self.dim: 1.0}, self.coordinates)
        for _ in range(power):
            result = result * self
        return result

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DifferentialOperator):
            return NotImplemented
        return self.dim == other.dim and self.coefficients == other.coefficients

    def __hash__(self) -> int:
        return hash((self.dim, tuple(self.coefficients.items())))

    def __str__(self) -> str:
        text = ""
        for index, value in self.coefficients.items():
            sign = ("-" if value < 0 else "") if not text else (" - " if value < 0 else " + ")
            size = "" if abs(value) == 1 else f"{abs(value):g} "
            text += (
                sign
                + size
                + "".join(_partial(n, a) for n, a in zip(self.coordinates, index, strict=True))
                + "u"
            )
        return text or "0"

    def __repr__(self) -> str:
        return f"<DifferentialOperator {self}>"

    def _like(self, other: DifferentialOperator | float) -> DifferentialOperator:
        """The other operand as an operator of the same dimension."""
        if not isinstance(other, DifferentialOperator):
            return DifferentialOperator({(0,) * self.dim: _constant(other)}, self.coordinates)
        if other.dim != self.dim:
            raise ValueError(
                f"operators of {self.dim} and of {other.dim} coordinates do not go together: build both from "
                "derivatives of the same dimension"
            )
        return other


def derivatives(
    dim: int, coordinates: str | tuple[str, ...] | None = None
) -> tuple[DifferentialOperator, ...]:
    """The partial derivatives ``∂_1, …, ∂_d``, from which operators are built by arithmetic.

    Parameters
    ----------
    dim : int
        Number of coordinates, time included.
    coordinates : str or tuple of str, optional
        Their names for printing, one letter each or one string each.

    Raises
    ------
    TypeError, ValueError
        If the dimension is no positive integer, or names are missing or repeated.

    Examples
    --------
    >>> dx, dt = derivatives(2, "xt")
    >>> print(dt + 0.5 * dx - 0.01 * dx**2)
    -0.01 ∂x² u + 0.5 ∂x u + ∂t u
    """
    if isinstance(dim, bool) or not isinstance(dim, (int, np.integer)):
        raise TypeError(f"dim must be an integer, not {dim!r}")
    if dim < 1:
        raise ValueError(f"dim must be at least 1, not {dim}")
    names = _names(dim) if coordinates is None else tuple(coordinates)
    if len(names) != dim or len(set(names)) < dim:
        raise ValueError(f"{dim} coordinates need as many different names, not {coordinates!r}")
    return tuple(
        DifferentialOperator({tuple(int(axis == place) for place in range(dim)): 1.0}, names)
        for axis in range(dim)
    )


def _constant(value: object) -> float:
    """A constant real coefficient."""
    if callable(value) or np.ndim(value) > 0:  # type: ignore[arg-type]
        raise TypeError(
            "operators with variable coefficients (functions or arrays) are not supported, because only constant "
            "coefficients have a symbol: give a number"
        )
    if isinstance(value, np.ndarray):
        value = value.item()
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(
            f"coefficients must be real numbers, since networks are real functions, not {value!r}"
        )
    number = float(value)
    if not np.isfinite(number):
        raise ValueError(f"coefficients must be finite, not {number}")
    return number


def _polynomial(coefficients: Mapping[Index, float], xi: FloatArray) -> ComplexArray:
    """``Σ c_α (2πi ξ)^α``; the powers of ``i`` are exact, so that real symbols have no imaginary part."""
    angular = 2 * np.pi * xi
    parts = np.zeros((4, len(xi)))
    for index, value in coefficients.items():
        parts[sum(index) % 4] += value * np.prod(angular ** np.array(index), axis=1)
    result = np.empty(len(xi), dtype=np.complex128)
    result.real, result.imag = parts[0] - parts[2], parts[1] - parts[3]
    return result


def _names(dim: int) -> tuple[str, ...]:
    return AXES[:dim] if dim <= len(AXES) else tuple(f"x{axis}" for axis in range(dim))


def _place(index: Index) -> tuple[int, tuple[int, ...]]:
    """Higher orders first, and earlier coordinates first among equals."""
    return -sum(index), tuple(-a for a in index)


def _partial(name: str, order: int) -> str:
    if order == 0:
        return ""
    return f"∂{name}{str(order).translate(SUPERSCRIPTS) if order > 1 else ''} "
