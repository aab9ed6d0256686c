"""Pictures of designed densities beside the spectra that they were designed for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from fefreq.output.plots.axes import COLOURS, FLOOR, FREQUENCY, GREY, new_figure, plain, tidy

if TYPE_CHECKING:
    from fefreq.densities.tabulated import Tabulated
    from fefreq.models import Rates
    from fefreq.support.arrays import FloatArray

INK, BLUE = "#222222", "#0072B2"
DENSITY = "density ρ"
ENERGY = "energy |f̂|²"


class Design(Protocol):
    """What is drawn of a :class:`fefreq.DensityDesign`."""

    @property
    def density(self) -> Tabulated:
        """The designed density."""

    @property
    def energy(self) -> FloatArray:
        """Energy of the target at the nodes of the density."""

    @property
    def rates(self) -> Rates:
        """Rates of the blocks."""

    @property
    def time_budget(self) -> float:
        """Training time that it was designed for."""

    @property
    def water_level(self) -> float:
        """Level of the water-filling."""

    @property
    def predicted_error(self) -> float:
        """Share of the error that is left."""


def design_figure(design: Design) -> Figure:
    """Spectrum with its water level, and the density: curves in one dimension, maps in two.

    Raises
    ------
    ValueError
        In three dimensions.
    """
    if design.density.dim == 1:
        return _curves(design)
    if design.density.dim == 2:
        return _maps(design)
    raise ValueError(
        f"designs are drawn in one and two dimensions, not {design.density.dim}: density.values and energy have the "
        "tables"
    )


def draw_spectrum(ax: Axes, frequencies: FloatArray, energy: FloatArray) -> None:
    """Energy against frequency over the decades that matter."""
    ax.fill_between(frequencies, energy, color="#c9d1d9", lw=0, label="target |f̂|²")
    ax.set_xlim(0.0, frequencies[-1])
    ax.set_ylim(FLOOR**2 * energy.max(), 2.0 * energy.max())
    ax.set_yscale("log")


def _curves(design: Design) -> Figure:
    axis = design.density.axes[0]
    half = axis >= 0
    frequencies, energy = axis[half], design.energy[half]
    figure = new_figure(5.2)
    above, below = figure.subplots(2, 1, sharex=True)
    draw_spectrum(above, frequencies, np.maximum(energy, np.finfo(float).tiny))
    left = design.water_level / (2.0 * design.rates.output * design.time_budget)
    words = f"left at t = {plain(design.time_budget)} wherever frequencies are drawn, by water-filling"
    above.axhline(left, color=BLUE, lw=1.6, ls="--", label=words)
    figure.legend(
        *above.get_legend_handles_labels(), loc="outside lower left", ncols=2, frameon=False, fontsize=9
    )
    tidy(above, "", ENERGY)
    below.plot(frequencies, design.density.values[half], color=INK, lw=1.4)
    below.set_ylim(bottom=0.0)
    tidy(below, FREQUENCY, DENSITY)
    above.set_title(_headline(design), loc="left", fontsize=11, color=GREY)
    return figure


def _maps(design: Design) -> Figure:
    figure = new_figure(4.2)
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    largest = float(design.energy.max())
    norm = LogNorm(FLOOR**2 * largest, largest, clip=True)
    for ax, table, label, scale in (
        (axes[0], design.energy, ENERGY, norm),
        (axes[1], design.density.values, DENSITY, None),
    ):
        shown = np.maximum(table, FLOOR**2 * largest) if scale is not None else table
        mesh = ax.pcolormesh(
            *design.density.axes, shown.T, cmap=COLOURS, norm=scale, shading="nearest", rasterized=True
        )
        bar = figure.colorbar(mesh, ax=ax, extend="min" if scale is not None else "neither", pad=0.02)
        bar.set_label(label)
        bar.outline.set_visible(False)
        ax.set_aspect("equal")
        tidy(
            ax,
            "ξ₁ (cycles per unit length)",
            "ξ₂ (cycles per unit length)" if ax is axes[0] else "",
            grid=False,
        )
    figure.suptitle(_headline(design), x=0.02, ha="left", fontsize=11, color=GREY)
    return figure


def _headline(design: Design) -> str:
    return (
        f"budget t = {plain(design.time_budget)}: {100 * design.predicted_error:.3g} % of the error is left"
    )
