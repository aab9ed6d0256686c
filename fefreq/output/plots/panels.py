"""The panels that pictures of error fields are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm

from fefreq.fields.coordinates import frequency_points
from fefreq.output.plots.axes import (
    COLOURS,
    FLOOR,
    FREQUENCY,
    GREY,
    MODULUS,
    RADIUS,
    Style,
    note,
    source_styles,
    tidy,
    time_axis,
    time_label,
)
from fefreq.output.plots.profiles import NEGLIGIBLE, NOISY, Profiles
from fefreq.support.arrays import FloatArray

if TYPE_CHECKING:
    import xarray as xr

    from fefreq.models import Model, Parity


def frequency_label(shown: Profiles) -> str:
    """What the coordinate of the profiles is."""
    return RADIUS if shown.radial else FREQUENCY


def draw_spectra(ax: Axes, shown: Profiles, count: int) -> None:
    """Moduli against frequency, a colour for each of the chosen times, in the style of each source."""
    indices = shown.chosen_times(count)
    styles = source_styles(shown.sources)
    # The bright end of the colours would be hard to see on white.
    colours = mpl.colormaps[COLOURS](np.linspace(0, 0.85, len(indices)))
    step = max(1, len(shown.frequencies) // 60)
    for source in shown.sources:
        style = styles[source]
        for index, colour in zip(indices, colours, strict=True):
            label = time_label(shown.times[index]) if source == shown.reference else "_"
            moduli = shown.of(source)[index]
            ax.plot(shown.frequencies, moduli, color=colour, markevery=step, label=label, **style.strokes)
    ax.set_yscale("log")
    ax.set_ylim(FLOOR * shown.largest, 1.6 * shown.largest)
    ax.set_xlim(shown.frequencies[0], shown.frequencies[-1])
    tidy(ax, frequency_label(shown), "|û|, root mean square over shells" if shown.radial else MODULUS)


def draw_image(
    ax: Axes, first: FloatArray, second: FloatArray, moduli: FloatArray, norm: LogNorm
) -> QuadMesh:
    """Moduli ``(n_1, n_2)`` over the plane of frequencies."""
    ax.set_aspect("equal")
    return ax.pcolormesh(first, second, moduli.T, norm=norm, cmap=COLOURS, shading="nearest", rasterized=True)


def draw_map(ax: Axes, shown: Profiles, values: FloatArray, norm: LogNorm) -> QuadMesh:
    """Values ``(T, R)`` over time and frequency, exact at the times and interpolated in between."""
    times = shown.times
    if len(times) == 1:
        times, values = np.append(times, times + 1), np.repeat(values, 2, axis=0)
    mesh = ax.pcolormesh(
        times, shown.frequencies, values.T, norm=norm, cmap=COLOURS, shading="gouraud", rasterized=True
    )
    time_axis(ax, shown.times)
    return mesh


def draw_half_lives(ax: Axes, shown: Profiles, longer: Profiles | None = None) -> None:
    """Half-lives of every source; those of the reference from ``longer``, if it is given."""
    # The noise of a finite network hides what is much smaller than the largest error.
    above = NEGLIGIBLE if len(shown.sources) == 1 else NOISY
    lives = dict(zip(shown.sources, shown.half_lives(above), strict=True))
    if longer is not None:
        lives[shown.reference] = longer.half_lives(above)[0]
    for source, style in source_styles(shown.sources).items():
        life = np.where(np.isfinite(lives[source]), lives[source], np.nan)
        ax.plot(shown.frequencies, life, color=style.colour, **style.strokes)
    if shown.times[-1] > 0:
        ax.axhline(shown.times[-1], color=GREY, lw=1, ls=":")
        note(ax, "last time" if len(shown.sources) == 1 else "end of the run", shown.times[-1], right=True)
    reach = shown.frequencies[~np.isnan(shown.half_lives(above)[0])]
    ax.set_xlim(shown.frequencies[0], 1.03 * reach[-1] if len(reach) else shown.frequencies[-1])
    tidy(ax, frequency_label(shown), "half-life (training time)")


def draw_tones(ax: Axes, tones: xr.Dataset, styles: Mapping[str, Style]) -> None:
    """Half-lives at single frequencies: large markers, filled for the sources that are drawn as points."""
    frequencies = frequency_points(tones)
    radii = np.linalg.norm(frequencies, axis=1)
    for source, style in styles.items():
        if source not in tones.source:
            continue
        lives = tones.half_life.sel(source=source).values
        look: dict[str, Any] = {"ls": "none", "ms": 8, "mew": 1.5, "marker": style.marker or "D"}
        look["mfc"] = style.colour if style.marker else "none"
        ax.plot(radii, np.where(np.isfinite(lives), lives, np.nan), color=style.colour, **look)
    for radius in radii:
        ax.axvline(radius, color=GREY, lw=0.6, alpha=0.6, zorder=0)
    ax.set_xlim(right=max(ax.get_xlim()[1], 1.03 * float(np.max(radii))))


def draw_coefficients(ax: Axes, model: Model, distances: FloatArray) -> None:
    """Density, damping and diffusion along the first axis of frequency."""
    along = np.zeros((len(distances), model.dim))
    along[:, 0] = distances
    parities: tuple[Parity, ...] = ("even", "odd") if model.parity_dependent else ("even",)
    density = model.density.pdf(along)
    ax.fill_between(distances, density, color="#d8dde2", label="density ρ")
    for parity, marker in zip(parities, ("none", "o"), strict=False):
        c = model.coefficients(along, parity)
        suffix = f", {parity} part" if model.parity_dependent else ""
        marks: dict[str, Any] = {
            "lw": 1.8,
            "marker": marker,
            "ms": 4,
            "markevery": max(1, len(distances) // 20),
        }
        ax.plot(distances, c.damping, color="#0072B2", label=f"damping c{suffix}", **marks)
        ax.plot(distances, c.diffusion, "--", color="#D55E00", label=f"diffusion D{suffix}", **marks)
    ax.set_yscale("log")
    top = ax.get_ylim()[1]
    ax.set_ylim(max(ax.get_ylim()[0], 1e-8 * top), top)
    ax.set_xlim(distances[0], distances[-1])
    ax.legend(fontsize=9, facecolor="white", edgecolor="none", framealpha=0.9)
    tidy(ax, FREQUENCY if model.dim == 1 else "frequency along the first axis", "ρ, c and D")
