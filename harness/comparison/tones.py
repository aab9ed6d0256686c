"""Half-lives of tones, by source."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from fefreq.fields.coordinates import frequency_coordinates, frequency_points
from fefreq.fields.error_field import ErrorField
from fefreq.fields.half_life import half_life
from fefreq.support.arrays import ComplexArray, FloatArray


def tone_table(sources: Mapping[str, ErrorField], tones: FloatArray) -> xr.Dataset:
    """Half-lives (source, frequency) at the tones ``(K, d)``, each source over the times it covers."""
    lives = [half_life(source.times, modulus(source.at(tones))) for source in sources.values()]
    covered = [float(source.times[-1]) for source in sources.values()]
    return xr.Dataset(
        {"half_life": (("source", "frequency"), np.stack(lives)), "covered": ("source", covered)},
        coords={"source": list(sources), **frequency_coordinates(tones)},
    )


def modulus(spectra: ComplexArray) -> FloatArray:
    """Modulus ``(T, F)`` of spectra ``(T, F)`` or ``(T, F, channels)``."""
    return np.asarray(np.abs(spectra) if spectra.ndim == 2 else np.linalg.norm(spectra, axis=2))


def tone_name(tones: xr.Dataset, index: int) -> str:
    """Frequency of a tone in words."""
    components = frequency_points(tones)[index].tolist()
    unit = "cycle" if components == [1.0] else "cycles"
    return f"{' × '.join(f'{c:g}' for c in components)} {unit}"
