"""Where the difference between prediction and networks comes from."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fefreq.plots.axes import TIME, new_figure

STROKES = {
    "discretisation": ("#E69F00", ":"),
    "truncation": ("#0072B2", "--"),
    "learning rate": ("#009E73", "-."),
    "finite width": ("#D55E00", "-"),
}
FLOOR = 1e-7


def split_figure(split: xr.Dataset) -> Figure:
    """Parts of a difference against time, and their total.

    Parameters
    ----------
    split : xarray.Dataset
        ``part`` (name, time) and ``total`` (time), relative to the initial error.
    """
    figure = new_figure(3.9)
    axes = figure.subplots()
    times = split.time.values
    axes.plot(
        times, split.total.values, color="#222222", lw=2.6, alpha=0.35, label=f"total: {split.attrs['total']}"
    )
    for name in (str(n) for n in split.name.values):
        colour, line = STROKES.get(name, ("#CC79A7", "-"))
        axes.plot(times, split.part.sel(name=name).values, color=colour, ls=line, lw=1.8, label=name)
    positive = times[times > 0]
    axes.set_xscale("symlog", linthresh=float(positive[0]), linscale=0.3)
    axes.set_xlim(0, times[-1])
    axes.set_yscale("log")
    largest = max(float(np.nanmax(split.total.values)), float(np.nanmax(split.part.values)), FLOOR)
    axes.set_ylim(max(FLOOR, 1e-6 * largest), 3 * largest)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=None, symbol=" %"))
    axes.set_xlabel(TIME)
    axes.set_ylabel("share of the initial error")
    axes.grid(color="#d8dde2", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper left", ncols=5, frameon=False)
    return figure
