"""What a study of networks finds out about each of them: its run, its error field, half-lives of tones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from fefreq.fields.coordinates import frequency_coordinates
from fefreq.fields.error_field import ErrorField
from fefreq.fields.half_life import half_life
from fefreq.support.arrays import FloatArray
from harness.reports.facts import run_facts
from harness.studies.networks.orders import rank_correlation
from harness.training.run import Run


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """One network of a study.

    Attributes
    ----------
    run : Run
    comparison : xarray.Dataset
        From :func:`harness.compare`, with the sources ``network`` and, if there is a prediction, ``kernel`` or ``pde``.
    tones : xarray.Dataset
        From :func:`tone_lives`.
    prediction : str or None
        Which of the two it is.
    """

    run: Run
    comparison: xr.Dataset
    tones: xr.Dataset
    prediction: str | None

    @property
    def lives(self) -> FloatArray:
        """Measured half-lives of the tones, of the mean over seeds."""
        return np.asarray(self.tones.half_life.values)

    @property
    def predicted_lives(self) -> FloatArray:
        """Predicted half-lives of the tones."""
        return np.asarray(self.tones.predicted.values)

    @property
    def rank(self) -> float:
        """Spearman's rank correlation of measured and predicted half-lives, NaN without an order."""
        return rank_correlation(self.lives, self.predicted_lives)

    def facts(self) -> dict[str, object]:
        """Plain data for a manifest."""
        return run_facts(self.run)


def tone_lives(run: Run, forecast: ErrorField | None, tones: FloatArray) -> xr.Dataset:
    """Half-lives of tones ``(K, d)``.

    Returns
    -------
    xarray.Dataset
        ``half_life`` (frequency) of the mean over seeds, ``member_half_life`` (seed, frequency), and, with a forecast,
        ``predicted`` (frequency). Infinite where more than half is left at the last time.
    """

    def lives(times: FloatArray, spectra: Any) -> FloatArray:
        moduli = np.abs(spectra) if spectra.ndim == 2 else np.linalg.norm(spectra, axis=2)
        return half_life(times, moduli)

    data = xr.Dataset(
        {
            "half_life": ("frequency", lives(run.times, run.at(tones)) if len(tones) else np.zeros(0)),
            "member_half_life": (
                ("seed", "frequency"),
                np.stack([lives(run.times, member) for member in run.members_at(tones)])
                if len(tones)
                else np.zeros((run.seeds, 0)),
            ),
        },
        coords=frequency_coordinates(tones),
    )
    if forecast is not None and len(tones):
        data["predicted"] = ("frequency", lives(forecast.times, forecast.at(tones)))
    return data
