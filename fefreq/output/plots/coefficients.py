"""Coefficients of the diffusion equations of several models, side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fefreq.models import Model, Parity
from fefreq.output.plots.axes import FLOOR, FREQUENCY, GREY, new_figure

# Colours of Okabe and Ito from dark to light; beyond six models they repeat with another width.
COLOURS = ("#222222", "#0072B2", "#009E73", "#D55E00", "#CC79A7", "#E69F00")
PARITIES: dict[Parity, str] = {"even": "-", "odd": "--"}
POINTS = 801


def coefficients_figure(models: Mapping[str, Model], half_width: float) -> Figure:
    """Damping ``c`` and diffusion ``D`` of every model against frequency, both parities where they differ.

    Parameters
    ----------
    models : mapping of str to Model
        By name; in more than one dimension they are drawn along the first axis.
    half_width : float
        Largest frequency shown, in cycles per unit length.

    Raises
    ------
    ValueError
        If there is no model or ``half_width`` is not positive.
    """
    if not models:
        raise ValueError("give at least one model to draw")
    if not half_width > 0:
        raise ValueError(f"half_width must be above 0, not {half_width}")
    xi = np.linspace(0.0, half_width, POINTS)
    figure = new_figure(3.6)
    damping, diffusion = figure.subplots(1, 2, sharex=True)
    for index, (_, model) in enumerate(models.items()):
        at = np.zeros((POINTS, model.dim))
        at[:, 0] = xi
        width = 1.8 if index < len(COLOURS) else 1.0
        parities: tuple[Parity, ...] = ("even", "odd") if model.parity_dependent else ("even",)
        for parity in parities:
            c = model.coefficients(at, parity)
            style = {"color": COLOURS[index % len(COLOURS)], "lw": width, "ls": PARITIES[parity]}
            damping.plot(xi, c.damping, **style)
            diffusion.plot(xi, c.diffusion, **style)
    for axes, title in ((damping, "damping c (per time)"), (diffusion, "diffusion D (cycles² per time)")):
        largest = max((float(np.max(line.get_ydata())) for line in axes.lines), default=0.0)
        if largest > 0:
            axes.set_yscale("log")
            axes.set_ylim(FLOOR * largest, 2 * largest)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_xlabel(FREQUENCY)
        axes.set_xlim(0, half_width)
        axes.grid(color="#d8dde2", lw=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    handles = [
        Line2D([], [], color=COLOURS[i % len(COLOURS)], lw=1.8, label=name) for i, name in enumerate(models)
    ]
    if any(model.parity_dependent for model in models.values()):
        handles += [
            Line2D([], [], color=GREY, lw=1.4, ls=ls, label=f"{p} part") for p, ls in PARITIES.items()
        ]
    figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), 6), frameon=False)
    return figure
