"""Pictures of recorded diagnostics: dynamics beside the error spectrum, distributions, weights.

The functions take the dataset of several conditions (see :func:`harness.relu.stacked_recordings`), each a column or a
colour; lines are means over the networks, and bands reach from the smallest to the largest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fefreq.fields.coordinates import frequency_dimension
from fefreq.output.plots.axes import (
    COLOURS,
    TIME,
    add_colourbar,
    log_axis,
    moduli_norm,
    new_figure,
    tidy,
    time_axis,
)
from fefreq.output.plots.profiles import profiles
from fefreq.support.arrays import FloatArray
from harness.relu.recording import times_measured

if TYPE_CHECKING:
    import xarray as xr

EPOCH = "epoch"
# Okabe and Ito; conditions also differ by line.
LOOKS = (("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", "-."), ("#CC79A7", ":"), ("#222222", (0, (5, 1))))
LOCAL, GLOBAL = "#0072B2", "#D55E00"
LAYER_COLOURS = "viridis"
# Rows that begin at zero; the others are logarithmic.
_LIMITS: dict[str, tuple[float, float | None]] = {
    "alignment": (0, 1.02),
    "dead_units": (0, None),
}


def dynamics_figure(data: xr.Dataset, over: Literal["epoch", "time"] = "epoch") -> Figure:
    """The error spectrum over time, and below it every diagnostic that was recorded, a column for each condition.

    Parameters
    ----------
    data : xarray.Dataset
        With the dimensions condition, seed and time.
    over : {'epoch', 'time'}
        Whether the common axis counts passes through the data, or training time ``Σ η`` on a logarithmic axis.
    """
    data = data.assign_coords(axis=data[over])
    rows: list[tuple[str, Any]] = [("hamming", _draw_hamming), ("alignment", _draw_alignment)]
    rows += [("regions", _draw_regions)] if "regions" in data else [("distinct_patterns", _draw_regions)]
    rows += [("region_width", _draw_width), ("dead_units", _draw_dead)]
    rows = [(name, draw) for name, draw in rows if name in data]
    conditions = [str(name) for name in data.condition.values]
    figure = new_figure(2.1 + 1.55 * len(rows))
    grid = figure.subplots(
        1 + len(rows),
        len(conditions),
        sharex=True,
        sharey="row",
        squeeze=False,
        height_ratios=[1.35] + [1.0] * len(rows),
    )
    spectra = [spectrum_map(data.sel(condition=name)) for name in conditions]
    norm = moduli_norm(max(float(moduli.max()) for _, moduli in spectra))
    axis = data.axis.values
    for ax, name, (frequencies, moduli) in zip(grid[0], conditions, spectra, strict=True):
        mesh = ax.pcolormesh(
            axis, frequencies, moduli.T, norm=norm, cmap=COLOURS, shading="gouraud", rasterized=True
        )
        ax.set_title(name, fontsize=10)
        ax.set_xlim(axis[0], axis[-1])
    radius = "|ξ|" if frequency_dimension(data) > 1 else "ξ"
    grid[0, 0].set_ylabel(f"frequency {radius}\n(cycles)")
    add_colourbar(figure, mesh, grid[0].tolist())
    for axes, (key, draw) in zip(grid[1:], rows, strict=True):
        for ax, name in zip(axes, conditions, strict=True):
            label = draw(ax, data.sel(condition=name))
            tidy(ax, "", label if ax is axes[0] else "")
        axes[0].set_ylim(*_LIMITS[key]) if key in _LIMITS else log_axis(axes[0])
    for ax in grid[-1]:
        if over == "time":
            time_axis(ax, axis)
            ax.set_xlabel("")
    figure.supxlabel(EPOCH if over == "epoch" else TIME, fontsize=10)
    handles = [
        Line2D([], [], color=LOCAL, label="local pairs"),
        Line2D([], [], color=GLOBAL, ls="--", label="global"),
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    return figure


def distributions_figure(data: xr.Dataset, epoch: int | None = None) -> Figure:
    """How Hamming distances and cosines of gradients are spread over local and over global pairs.

    Parameters
    ----------
    data : xarray.Dataset
        With the dimensions condition, seed and time.
    epoch : int, optional
        By default the last one at which each was measured.
    """
    now = data[["hamming_histogram", "cosine_histogram"]]
    if epoch is None:
        last = {name: now[name].isel(time=times_measured(data, str(name))[-1], drop=True) for name in now}
        now = now.drop_dims("time").assign(last)
    else:
        now = now.isel(time=int(np.flatnonzero(data.epoch.values == epoch)[0]))
    figure = new_figure(5.4)
    grid = figure.subplots(2, 2)
    for place, column in zip(("local", "global"), grid.T, strict=True):
        for (colour, line), name in zip(_looks(data), data.condition.values, strict=True):
            chosen = now.sel(condition=name, pairs=place)
            counts = chosen.hamming_histogram.sum("seed").values
            column[0].plot(
                data.distance.values,
                np.cumsum(counts) / counts.sum(),
                color=colour,
                ls=line,
                lw=1.8,
                drawstyle="steps-post",
                label=str(name),
            )
            shares = chosen.cosine_histogram.sum("seed").values
            column[1].stairs(
                shares / shares.sum(), np.linspace(-1, 1, len(shares) + 1), color=colour, ls=line, lw=1.6
            )
        reached = np.flatnonzero(now.sel(pairs=place).hamming_histogram.sum(["seed", "condition"]).values)
        column[0].set_xscale("symlog", linthresh=1, linscale=0.4)
        column[0].set_xlim(0, max(2, reached.max(initial=1)))
        column[0].xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        column[0].set_ylim(0, 1.02)
        column[0].set_title(f"{place} pairs", fontsize=10)
        column[1].set_yscale("log")
        column[1].set_ylim(1e-4, 1.5)
        column[1].set_xlim(-1, 1)
        tidy(column[0], "Hamming distance (units)", "share of pairs at most")
        tidy(column[1], "cosine between gradients", "share of pairs per bin")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return figure


def weights_figure(data: xr.Dataset) -> Figure:
    """Spectral norms of all layers, and how parallel hyperplanes of a layer are, a column for each condition.

    Parameters
    ----------
    data : xarray.Dataset
        With the dimensions condition, seed and time, and ``norms`` and ``angles`` measured.
    """
    data = data.assign_coords(axis=data.epoch)
    conditions = [str(name) for name in data.condition.values]
    figure = new_figure(4.9)
    grid = figure.subplots(2, len(conditions), sharex=True, sharey="row", squeeze=False)
    layers = data.sizes["weight_layer"]
    colours = mpl.colormaps[LAYER_COLOURS](np.linspace(0, 0.88, layers))
    for column, (axes, name) in enumerate(zip(grid.T, conditions, strict=True)):
        chosen = data.sel(condition=name)
        for layer in range(layers):
            _line(axes[0], chosen, chosen.spectral_norm.isel(weight_layer=layer), colours[layer])
        for layer in range(layers - 1):
            _line(axes[1], chosen, chosen.hyperplane_cosine.isel(layer=layer), colours[layer])
        axes[0].set_title(name, fontsize=10)
        tidy(axes[0], "", "" if column else "largest singular value")
        tidy(axes[1], EPOCH, "" if column else "mean |cos| of hyperplanes")
    log_axis(grid[0, 0])
    grid[1, 0].set_ylim(0, 1.02)
    labels = [f"layer {layer + 1}" for layer in range(layers - 1)] + ["output"]
    handles = [Line2D([], [], color=c, label=label) for c, label in zip(colours, labels, strict=True)]
    figure.legend(handles=handles, loc="outside upper center", ncols=layers, frameon=False)
    return figure


def spectrum_map(data: xr.Dataset) -> tuple[FloatArray, FloatArray]:
    """Root mean square over networks of the error modulus, over radius in more than one dimension.

    Returns
    -------
    frequencies : ndarray, shape (R,)
    moduli : ndarray, shape (T, R)
    """
    shown = profiles(data[["error"]].rename(seed="source").assign_attrs(reference=str(data.seed.values[0])))
    return shown.frequencies, np.sqrt(np.mean(shown.moduli**2, axis=0))


def _draw_hamming(ax: Axes, data: xr.Dataset) -> str:
    for place, colour, line in (("local", LOCAL, "-"), ("global", GLOBAL, "--")):
        _line(ax, data, data.hamming.sel(pairs=place), colour, line)
    return "Hamming\ndistance"


def _draw_alignment(ax: Axes, data: xr.Dataset) -> str:
    for place, colour, line in (("local", LOCAL, "-"), ("global", GLOBAL, "--")):
        _line(ax, data, data.alignment.sel(pairs=place), colour, line)
    return "mean |cos|\nof gradients"


def _draw_regions(ax: Axes, data: xr.Dataset) -> str:
    if "regions" in data:
        _line(ax, data, data.regions, "#009E73")
    if "distinct_patterns" in data:
        _line(ax, data, data.distinct_patterns, "#222222", ":")
    return "regions (solid),\npatterns (dotted)"


def _draw_width(ax: Axes, data: xr.Dataset) -> str:
    _line(ax, data, data.region_width, "#222222")
    return "distance to\nboundary"


def _draw_dead(ax: Axes, data: xr.Dataset) -> str:
    _line(ax, data, data.dead_units.sum("layer", skipna=False), "#222222")
    return "dead units"


def _line(ax: Axes, data: xr.Dataset, values: xr.DataArray, colour: Any, line: str = "-") -> None:
    """Mean over networks and the band between the smallest and the largest, where there are measurements."""
    table = values.transpose("seed", "time").values
    there = ~np.isnan(table).any(axis=0)
    axis, table = data.axis.values[there], table[:, there]
    ax.plot(axis, table.mean(axis=0), color=colour, ls=line, lw=1.6)
    if len(table) > 1:
        ax.fill_between(axis, table.min(axis=0), table.max(axis=0), color=colour, alpha=0.2, lw=0)


def _looks(data: xr.Dataset) -> list[tuple[str, Any]]:
    return [LOOKS[i % len(LOOKS)] for i in range(data.sizes["condition"])]
