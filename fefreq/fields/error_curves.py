r"""Errors at trained and at unseen points over training time, and when to stop.

The mean squares are those of a user's code, ``Σ_j |f_t(x_j) - f(x_j)|² / n`` over points and channels. While the
error at trained points only falls, that at unseen points may rise again: where it is least, training should stop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fefreq.support.arrays import FloatArray

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, eq=False)
class ErrorCurves:
    """Mean square errors at trained and at held-out points.

    Attributes
    ----------
    times, trained, held_out : ndarray, shape (T,)
        Training times, and the errors in squared units of the data.

    Examples
    --------
    >>> curves = ErrorCurves(np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.1, 0.01]), np.array([1.0, 0.2, 0.4]))
    >>> curves.early_stopping_time
    1.0
    >>> curves.psnr(peak=1.0)[1].round(6).tolist()
    [0.0, 6.9897, 3.9794]
    """

    times: FloatArray
    trained: FloatArray
    held_out: FloatArray

    @property
    def early_stopping_time(self) -> float:
        """The first of the times at which the held-out error is least."""
        return float(self.times[np.argmin(self.held_out)])

    def psnr(self, peak: float) -> tuple[FloatArray, FloatArray]:
        """Peak signal-to-noise ratios in dB, at trained and at held-out points.

        Parameters
        ----------
        peak : float
            Largest difference of two values of the signal.
        """
        return psnr(self.trained, peak), psnr(self.held_out, peak)

    def to_xarray(self) -> xr.Dataset:
        """Both curves over the dimension ``time``, with the early-stopping time among the attributes."""
        import xarray as xr

        return xr.Dataset(
            {
                "train_mse": ("time", self.trained, {"long_name": "mean square error at trained points"}),
                "heldout_mse": (
                    "time",
                    self.held_out,
                    {"long_name": "mean square error at held-out points"},
                ),
            },
            coords={"time": ("time", self.times, {"long_name": "training time"})},
            attrs={"early_stopping_time": self.early_stopping_time},
        )


def psnr(mean_square: FloatArray, peak: float) -> FloatArray:
    """Peak signal-to-noise ratio ``10 log10(peak² / mean square)`` in dB, at most 300."""
    return np.asarray(10 * np.log10(peak**2 / np.maximum(mean_square, 1e-30 * peak**2)))
