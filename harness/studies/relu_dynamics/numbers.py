"""Bands of allowed values, and numbers in words."""

from __future__ import annotations

import numpy as np

from fefreq.support.arrays import FloatArray


def require_band(at_least: float | None, at_most: float | None) -> None:
    """Refuse a band without ends, and one that holds no number.

    Raises
    ------
    ValueError
        If neither end is given, or the lower exceeds the upper.
    """
    if at_least is None and at_most is None:
        raise ValueError("give at_least, at_most or both")
    if at_least is not None and at_most is not None and at_least > at_most:
        raise ValueError(f"no number is at least {at_least:g} and at most {at_most:g}")


def in_band(value: float, at_least: float | None, at_most: float | None) -> bool:
    """Whether a number lies between two ends, either of which may be left open."""
    lower, upper = -np.inf if at_least is None else at_least, np.inf if at_most is None else at_most
    return bool(lower <= value <= upper)


def telling_digits(value: float, at_least: float | None, at_most: float | None) -> int:
    """Digits with which a number is on the same side of the ends of a band as its rounded value, at least three.

    >>> telling_digits(130.9, 131, 162), short(130.9, 4), telling_digits(140.4, 131, 162)
    (4, '130.9', 3)
    """
    digits = 3
    while in_band(float(short(value, digits).replace(",", "")), at_least, at_most) != in_band(
        value, at_least, at_most
    ):
        digits += 1
    return digits


def told(values: FloatArray, digits: int = 3) -> str:
    """A mean to some digits, and what it is the mean of.

    >>> told(np.array([1.0, 2.0])), told(np.array([3.0])), told(np.array([12345.6]))
    ('1.5 (1–2)', '3', '12,346')
    """
    mean = short(float(values.mean()), digits)
    if len(values) == 1 or np.ptp(values) == 0:
        return mean
    return f"{mean} ({short(float(values.min()))}–{short(float(values.max()))})"


def short(value: float, digits: int = 3) -> str:
    """A number to three digits or more; from a thousand on to units, and decimals for digits beyond three.

    >>> short(12345.6), short(999.8), short(0.12345), short(12345.67, digits=4)
    ('12,346', '1,000', '0.123', '12,345.7')
    """
    whole = abs(value) >= 999.5
    return f"{value:,.{digits - 3}f}" if whole else f"{value:.{digits}g}"


def cycles(frequency: float) -> str:
    """A frequency in words.

    >>> cycles(1.0), cycles(2.5)
    ('1 cycle', '2.5 cycles')
    """
    return f"{frequency:g} cycle" + ("" if frequency == 1 else "s")
