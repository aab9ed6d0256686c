r"""Bring several sources of one error field onto common frequencies and measure how far they agree.

The relative field difference of a source ``a`` from the reference ``b`` at time ``t`` is

.. math:: ‖a(t) - b(t)‖ / ‖b(0)‖ , \qquad ‖v‖² = ∑_{frequencies} |v|² ,

the discrete L2 norm over the frequencies that were asked for; on a grid no coarser than the inverse of the
length of the data it is, by Parseval, the root mean square over positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from fefreq.fields.coordinates import frequency_coordinates
from fefreq.fields.error_field import ErrorField
from fefreq.fields.half_life import half_life
from fefreq.support.arrays import ComplexArray, FloatArray, real_array

# Decay rates are fitted while more than this share of the initial modulus is left.
FITTED_ABOVE = 0.1


@runtime_checkable
class Ensemble(Protocol):
    """An error field with several members, such as networks from different seeds."""

    def members_at(self, frequencies: ArrayLike) -> ComplexArray:
        """Spectra of the members, shape ``(S, T, F)``."""


def compare(
    sources: Mapping[str, ErrorField], frequencies: ArrayLike, *, reference: str | None = None
) -> xr.Dataset:
    """Sample every source at the same frequencies and hold it against a reference.

    Parameters
    ----------
    sources : mapping of str to ErrorField
        At least one; all at the same times, the first of which is 0.
    frequencies : array_like, shape (F, d)
        In cycles per unit length.
    reference : str, optional
        Name of the source that the others are held against; by default the first.

    Returns
    -------
    xarray.Dataset
        ``error`` (complex; source, time, frequency), ``difference`` and ``remaining`` (source, time), ``half_life`` and
        ``decay_rate`` (source, frequency), and, for sources with members, ``member_difference`` (source, seed,
        time), the same difference for each member, NaN for the sources without.

    Raises
    ------
    ValueError
        If there is no source, the reference is none of them, or their times differ or do not begin with 0.
    """
    if not sources:
        raise ValueError("there is nothing to compare: give at least one source")
    names = list(sources)
    reference = names[0] if reference is None else reference
    if reference not in sources:
        raise ValueError(f"the reference {reference!r} is none of the sources {', '.join(names)}")
    times = _common_times(sources)
    points = real_array(frequencies, "frequencies")
    points = points.reshape(-1, 1) if points.ndim < 2 else points

    fields = {name: source.at(points) for name, source in sources.items()}
    base = fields[reference]
    moduli = {name: _modulus(field) for name, field in fields.items()}
    dims = ("source", "time", "frequency", "channel")[: base.ndim + 1]
    members = {
        name: relative_difference(source.members_at(points), base)
        for name, source in sources.items()
        if isinstance(source, Ensemble)
    }
    dataset = xr.Dataset(
        {
            "error": (dims, np.stack(list(fields.values())), {"long_name": "spectrum of the error"}),
            "difference": (
                ("source", "time"),
                np.stack([relative_difference(field, base) for field in fields.values()]),
                {"long_name": f"L2 difference from {reference}, relative to its initial error"},
            ),
            "remaining": (
                ("source", "time"),
                np.stack([remaining(field) for field in fields.values()]),
                {"long_name": "L2 norm of the error, relative to its start"},
            ),
            "half_life": (
                ("source", "frequency"),
                np.stack([half_life(times, modulus) for modulus in moduli.values()]),
                {"long_name": "time at which half of the error is left"},
            ),
            "decay_rate": (
                ("source", "frequency"),
                np.stack([decay_rate(times, modulus) for modulus in moduli.values()]),
                {"long_name": "fitted rate of exponential decay"},
            ),
        },
        coords={
            "source": names,
            "time": ("time", times, {"long_name": "training time", "units": "sum of learning rates"}),
            **frequency_coordinates(points),
        },
        attrs={"reference": reference},
    )
    if members:
        seeds = max(len(m) for m in members.values())
        table = np.full((len(names), seeds, len(times)), np.nan)
        for name, difference in members.items():
            table[names.index(name), : len(difference)] = difference
        dataset["member_difference"] = (("source", "seed", "time"), table)
    return dataset


def relative_difference(field: ComplexArray, reference: ComplexArray) -> FloatArray:
    """``‖a(t) - b(t)‖ / ‖b(0)‖`` over frequencies and channels.

    Parameters
    ----------
    field : ndarray, shape (…, T, F) or (…, T, F, channels)
        One field, or several along leading axes.
    reference : ndarray, shape (T, F) or (T, F, channels)

    Returns
    -------
    ndarray, shape (…, T)
    """
    last = tuple(range(-(reference.ndim - 1), 0))
    scale = np.linalg.norm(reference[0])
    if scale == 0:
        raise ValueError("the reference has no error at time 0, so no difference is relative to it")
    return np.asarray(np.sqrt(np.sum(np.abs(field - reference) ** 2, axis=last)) / scale)


def remaining(field: ComplexArray) -> FloatArray:
    """``‖a(t)‖ / ‖a(0)‖`` of a field ``(T, F, …)``, shape ``(T,)``; NaN for a field that begins at zero."""
    norms = np.linalg.norm(field.reshape(len(field), -1), axis=1)
    return np.asarray(norms / norms[0] if norms[0] > 0 else np.full(len(norms), np.nan))


def decay_rate(times: FloatArray, moduli: FloatArray) -> FloatArray:
    """Rate ``r`` of the exponential ``exp(-r t)`` that fits relative moduli while a tenth is left.

    Parameters
    ----------
    times : ndarray, shape (T,)
    moduli : ndarray, shape (T, F)

    Returns
    -------
    ndarray, shape (F,)
        Least squares on the logarithm through the start; NaN where the modulus begins at zero or falls
        below a tenth before the second time.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.log(moduli / moduli[0])
        fitted = np.logical_and.accumulate(moduli > FITTED_ABOVE * moduli[0], axis=0) & (times[:, None] > 0)
        weight = np.where(fitted, times[:, None], 0.0)
        slope = np.sum(np.where(fitted, weight * logarithm, 0.0), axis=0) / np.sum(weight**2, axis=0)
    return np.asarray(np.where(np.any(fitted, axis=0), -slope, np.nan))


def _common_times(sources: Mapping[str, ErrorField]) -> FloatArray:
    first, *others = sources.items()
    times = np.asarray(first[1].times)
    if times[0] != 0:
        raise ValueError(
            f"the times of {first[0]} begin with {times[0]}: include 0, where the error is initial"
        )
    for name, source in others:
        if len(source.times) != len(times) or not np.allclose(source.times, times, rtol=1e-9, atol=0):
            raise ValueError(f"the times of {name} are not those of {first[0]}: solve and train for the same")
    return times


def _modulus(field: ComplexArray) -> FloatArray:
    return np.asarray(np.abs(field) if field.ndim == 2 else np.linalg.norm(field, axis=2))
