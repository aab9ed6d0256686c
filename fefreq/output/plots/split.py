"""Where the difference between prediction and networks comes from."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from fefreq.output.plots.axes import TIME, new_figure

STROKES = {
    "discretisation": ("#E69F00", ":"),
    "truncation": ("#0072B2", "--"),
    "learning rate": ("#009E73", "-."),
    "finite width": ("#D55E00", "-"),
}
FLOOR = 1e-12


def split_figure(split: xr.Dataset) -> Figure:
    """Parts of a difference against time, and their total.

    Parameters
    ----------
    split : xarray.Dataset
        ``part`` (name, time) and ``total`` (time), relative to the initial error.
    """
    figure = new_figure(3.9)
    axes = figure.subplots()
    later = split.sel(time=split.time > 0)  # at the start every part but the mesh is zero
    times = later.time.values
    axes.plot(
        times, later.total.values, color="#222222", lw=2.6, alpha=0.35, label=f"total: {split.attrs['total']}"
    )
    for name in (str(n) for n in split.name.values):
        colour, line = STROKES.get(name, ("#CC79A7", "-"))
        axes.plot(times, later.part.sel(name=name).values, color=colour, ls=line, lw=1.8, label=name)
    axes.set_xscale("log")
    axes.set_xlim(times[0], times[-1])
    axes.set_yscale("log")
    sizes = np.append(later.total.values, later.part.values.ravel())
    largest = max(float(np.max(sizes)), FLOOR)
    smallest = float(np.min(sizes[sizes > FLOOR], initial=largest))
    axes.set_ylim(0.5 * smallest, 3 * largest)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    axes.set_xlabel(TIME)
    axes.set_ylabel("share of the initial error")
    axes.grid(color="#d8dde2", lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper left", ncols=5, frameon=False)
    return figure
