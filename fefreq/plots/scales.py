"""Pictures of a recommendation: errors against the scale and against time, and the prediction beside the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from fefreq._arrays import FloatArray
from fefreq.plots.axes import COLOURS, GREY, WIDTH, new_figure, plain, tidy, time_axis, time_label

if TYPE_CHECKING:
    from fefreq.recommendation import Recommendation

SCALE = "scale of the density (cycles per unit length)"
HELD_OUT = "held-out PSNR (dB)"
# Colours of Okabe and Ito, with markers and lines for those who cannot tell them apart.
SERIES = (("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", "-."), ("#CC79A7", "D", ":"))
HIGHEST = 25.0  # dB above the best held-out PSNR up to which training is drawn


def scale_figure(advice: Recommendation) -> Figure:
    """Held-out PSNR against the scale, and PSNR against time for three scales.

    Parameters
    ----------
    advice : Recommendation
    """
    figure = new_figure(4.3)
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    best = advice.best
    if len(advice.families) == 1:
        _over_times(left, advice)
    else:
        for family, (colour, marker, line) in zip(advice.families, _series(advice), strict=True):
            psnr = advice.table.heldout_psnr.sel(family=family).values[:, -1]
            left.plot(advice.scales, psnr, color=colour, marker=marker, ls=line, ms=5, label=family)
    left.plot([best.scale], [best.psnr], "o", ms=13, mfc="none", mec="#222222", mew=1.6, zorder=5)
    left.axvspan(*best.nearly_as_good, color="#E69F00", alpha=0.18, lw=0, zorder=0)
    left.set_title(f"{best.family} scale {best.scale:g}: {best.psnr:.1f} dB", fontsize=11)
    scale_axis(left, advice.scales)
    tidy(left, SCALE, HELD_OUT)
    figure.legend(
        *left.get_legend_handles_labels(), loc="outside lower left", ncols=5, frameon=False, fontsize=9
    )
    _over_time(right, advice)
    return figure


def image_figure(advice: Recommendation) -> Figure | None:
    """Data, and what the best scale makes of the trained samples, for images; None for other data.

    Parameters
    ----------
    advice : Recommendation
    """
    grid = advice.split.grid
    if grid is None or len(grid.shape) != 2:
        return None
    predicted = advice.predicted()
    if predicted.ndim == 3 and predicted.shape[2] not in (1, 3):
        return None
    data = np.full_like(predicted, np.nan)
    trained = advice.split.trained
    seen = trained.weights > 0
    for points, values in (
        (trained.points[seen], trained.values[seen]),
        (advice.split.points, advice.split.values),
    ):
        index = tuple(np.rint((points - grid.lower) / grid.spacing).astype(int).T)
        data[index] = values
    low = float(np.nanmin(data))
    figure = new_figure(0.6 + 0.5 * WIDTH * min(1.6, grid.shape[1] / grid.shape[0]))
    for ax, values, title in zip(
        figure.subplots(1, 2),
        (data, predicted),
        ("data", f"predicted, {advice.best.family} scale {advice.best.scale:g}"),
        strict=True,
    ):
        shown = np.clip((np.squeeze(values) - low) / advice.split.peak, 0.0, 1.0)
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


def _series(advice: Recommendation) -> list[tuple[str, str, str]]:
    return [SERIES[i % len(SERIES)] for i in range(len(advice.families))]


def _over_times(ax: Axes, advice: Recommendation) -> None:
    """One family: a curve for each of a few times, the last one strong."""
    psnr = advice.table.heldout_psnr.values[0]
    times = advice.table.time.values
    shown = np.unique(np.linspace(max(0, len(times) // 3), len(times) - 1, 5).astype(int))
    colours = colormaps[COLOURS](np.linspace(0.85, 0.1, len(shown)))
    for index, colour in zip(shown, colours, strict=True):
        last = index == len(times) - 1
        ax.plot(
            advice.scales,
            psnr[:, index],
            color=colour,
            marker="o",
            ms=5 if last else 3,
            lw=2.4 if last else 1.2,
            label=time_label(times[index]),
        )


def _over_time(ax: Axes, advice: Recommendation) -> None:
    """The best scale, and the least and the largest one of its family."""
    best, times = advice.best, advice.table.time.values
    family = advice.table.sel(family=best.family)
    chosen = list(dict.fromkeys([best.scale, float(advice.scales[0]), float(advice.scales[-1])]))
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
