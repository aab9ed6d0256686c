"""Pictures of a recommendation: errors against the scale and against time, and the prediction beside the data."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from fefreq.initialisation.scale.table import Choice
from fefreq.output.plots.axes import COLOURS, GREY, WIDTH, new_figure, plain, tidy, time_axis, time_label
from fefreq.support.arrays import FloatArray
from fefreq.targets.split import DataSplit

if TYPE_CHECKING:
    import xarray as xr

SCALE = "scale of the density (cycles per unit length)"
HELD_OUT = "held-out PSNR (dB)"
# Colours of Okabe and Ito, with markers and lines for those who cannot tell them apart.
SERIES = (("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", "-."), ("#CC79A7", "D", ":"))
HIGHEST = 25.0  # dB above the best held-out PSNR up to which training is drawn


def scale_figure(table: xr.Dataset, best: Choice) -> Figure:
    """Held-out PSNR against the scale, and PSNR against time for three scales.

    Parameters
    ----------
    table : xarray.Dataset
        See :class:`~fefreq.initialisation.scale.recommendation.Recommendation`.
    best : Choice
    """
    figure = new_figure(4.3)
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    scales, families = table.scale.values, [str(name) for name in table.family.values]
    if len(families) == 1:
        _over_times(left, table)
    else:
        for family, (colour, marker, line) in zip(families, itertools.cycle(SERIES), strict=False):
            psnr = table.heldout_psnr.sel(family=family).values[:, -1]
            left.plot(scales, psnr, color=colour, marker=marker, ls=line, ms=5, label=family)
    left.plot([best.scale], [best.psnr], "o", ms=13, mfc="none", mec="#222222", mew=1.6, zorder=5)
    left.axvspan(*best.nearly_as_good, color="#E69F00", alpha=0.18, lw=0, zorder=0)
    left.set_title(f"{best.family} scale {best.scale:g}: {best.psnr:.1f} dB", fontsize=11)
    scale_axis(left, scales)
    tidy(left, SCALE, HELD_OUT)
    figure.legend(
        *left.get_legend_handles_labels(), loc="outside lower left", ncols=5, frameon=False, fontsize=9
    )
    _over_time(right, table, best)
    return figure


def image_figure(split: DataSplit, predicted: FloatArray, best: Choice) -> Figure | None:
    """Data, and what the best scale makes of the trained samples, for images; None for other data.

    Parameters
    ----------
    split : DataSplit
    predicted : ndarray
        On the grid of the data.
    best : Choice
    """
    grid = split.grid
    assert grid is not None
    if predicted.ndim == 3 and predicted.shape[2] not in (1, 3):
        return None
    data = np.full_like(predicted, np.nan)
    trained = split.trained
    seen = trained.weights > 0
    for points, values in (
        (trained.points[seen], trained.values[seen]),
        (split.points, split.values),
    ):
        index = tuple(np.rint((points - grid.lower) / grid.spacing).astype(int).T)
        data[index] = values
    low = float(np.nanmin(data))
    figure = new_figure(0.6 + 0.5 * WIDTH * min(1.6, grid.shape[1] / grid.shape[0]))
    for ax, values, title in zip(
        figure.subplots(1, 2),
        (data, predicted),
        ("data", f"predicted, {best.family} scale {best.scale:g}"),
        strict=True,
    ):
        shown = np.clip((np.squeeze(values) - low) / split.peak, 0.0, 1.0)
        # The first axis is x, to the right, the second y, upwards.
        ax.imshow(shown.swapaxes(0, 1), origin="lower", cmap="gray", interpolation="nearest")
        ax.set_title(title, fontsize=11)
        ax.set_axis_off()
    return figure


def scale_axis(ax: Axes, scales: FloatArray) -> None:
    """Logarithmic scales, each with its number as far as there is room."""
    if len(scales) > 1:
        ax.set_xscale("log")
    shown = list(scales[:: max(1, len(scales) // 10)])
    ax.xaxis.set_major_locator(FixedLocator(shown))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(float(f"{value:.3g}"))))


def _over_times(ax: Axes, table: xr.Dataset) -> None:
    """One family: a curve for each of a few times, the last one strong."""
    psnr = table.heldout_psnr.values[0]
    times = table.time.values
    shown = np.unique(np.linspace(max(0, len(times) // 3), len(times) - 1, 5).astype(int))
    colours = colormaps[COLOURS](np.linspace(0.85, 0.1, len(shown)))
    for index, colour in zip(shown, colours, strict=True):
        last = index == len(times) - 1
        ax.plot(
            table.scale.values,
            psnr[:, index],
            color=colour,
            marker="o",
            ms=5 if last else 3,
            lw=2.4 if last else 1.2,
            label=time_label(times[index]),
        )


def _over_time(ax: Axes, table: xr.Dataset, best: Choice) -> None:
    """The best scale, and the least and the largest one of its family."""
    times, scales = table.time.values, table.scale.values
    family = table.sel(family=best.family)
    chosen = list(dict.fromkeys([best.scale, float(scales[0]), float(scales[-1])]))
    for scale, (colour, _, _) in zip(chosen, SERIES, strict=False):
        held = family.heldout_psnr.sel(scale=scale).values
        train = family.train_psnr.sel(scale=scale).values
        ax.plot(times, held, color=colour, lw=2.2 if scale == best.scale else 1.4, label=f"scale {scale:g}")
        ax.plot(times, train, color=colour, lw=1.1, ls="--")
    lowest = float(family.heldout_psnr.sel(scale=chosen).min())
    ax.set_ylim(lowest - 1, best.psnr + HIGHEST)
    time_axis(ax, times)
    tidy(ax, "training time t = Σ η", "PSNR (dB)")
    ax.plot([], [], color=GREY, lw=1.1, ls="--", label="trained samples")
    ax.legend(frameon=False, fontsize=9)
    ax.set_title("held-out samples over time", fontsize=11)
