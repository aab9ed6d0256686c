"""Pictures of error fields of several sources, one of which is a prediction of another."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from fefreq.output.plots.axes import GREY, TIME, add_colourbar, log_axis, moduli_norm, new_figure, note, tidy
from fefreq.output.plots.panels import draw_map, frequency_label
from fefreq.output.plots.profiles import profiles
from harness.studies.relu_dynamics.pictures import LOOKS

if TYPE_CHECKING:
    import xarray as xr


def fields_figure(data: xr.Dataset) -> Figure:
    """Error fields of several sources over frequency and time, side by side on one colour scale.

    Parameters
    ----------
    data : xarray.Dataset
        ``error`` (source, time, frequency) in one dimension.
    """
    shown = profiles(data)
    columns = min(2, len(shown.sources))
    rows = -(-len(shown.sources) // columns)
    figure = new_figure(0.5 + 2.9 * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    norm = moduli_norm(shown.largest)
    for ax, name in zip(grid.ravel(), shown.sources, strict=False):
        mesh = draw_map(ax, shown, shown.of(name), norm)
        ax.set_title(name, fontsize=10)
    for ax in grid.ravel()[len(shown.sources) :]:
        ax.remove()
    figure.supxlabel(TIME, fontsize=10)
    figure.supylabel(frequency_label(shown), fontsize=10)
    add_colourbar(figure, mesh, grid.ravel()[: len(shown.sources)].tolist())
    return figure


def half_lives_figure(data: xr.Dataset, predicted: str, measured: str, above: float = 0.05) -> Figure:
    """Half-lives of all sources against frequency; the prediction as a line beside the networks it is about.

    Parameters
    ----------
    data : xarray.Dataset
        ``error`` (source, time, frequency) in one dimension.
    predicted, measured : str
        Sources that belong together.
    above : float
        Share of the largest initial modulus below which a frequency is left out.
    """
    shown = profiles(data)
    lives = dict(zip(shown.sources, shown.half_lives(above), strict=True))
    others = [name for name in shown.sources if name not in (predicted, measured)]
    styles: dict[str, dict[str, Any]] = {
        predicted: {"color": "#222222", "ls": "-", "lw": 1.8},
        measured: {"color": "#0072B2", "ls": "none", "marker": "o", "ms": 5, "mfc": "none", "mew": 1.2},
    }
    # One marker more than colours, so that no pair of them comes twice soon.
    looks = zip(cycle(LOOKS[1:]), cycle("s^vDP"), others, strict=False)
    for (colour, _), marker, name in looks:
        styles[name] = {"color": colour, "ls": "none", "marker": marker, "ms": 4.5}
    figure = new_figure(4.4)
    ax = figure.add_subplot()
    for name, style in styles.items():
        life = np.where(np.isfinite(lives[name]), lives[name], np.nan)
        ax.plot(shown.frequencies, life, label=name, **style)
    ax.axhline(shown.times[-1], color=GREY, lw=1, ls=":")
    note(ax, "end of the run", shown.times[-1], right=True)
    ax.set_xlim(shown.frequencies[0], shown.frequencies[~np.isnan(lives[predicted])][-1])
    tidy(ax, frequency_label(shown), "half-life (training time)")
    log_axis(ax)
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    return figure
