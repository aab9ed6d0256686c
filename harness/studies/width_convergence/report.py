"""The page of a width-convergence study: distance against width, the floor against the learning rate, and when."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fefreq.output.plots.axes import GREY, log_axis, new_figure, plain, tidy
from harness.reports.page import Picture, Section, Table

if TYPE_CHECKING:
    from harness.studies.width_convergence.laws import Laws
    from harness.studies.width_convergence.power_laws import PowerLaw

# Colours of Okabe and Ito, which colour-blind readers tell apart, and markers besides.
STYLES = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "^"),
    ("#CC79A7", "D"),
    ("#E69F00", "v"),
    ("#222222", "P"),
)
DISTANCE = "largest distance / initial error"


def sections(data: xr.Dataset, laws: Laws) -> tuple[Section, ...]:
    """All sections of the page."""
    worst = data.max("time", skipna=False)
    text = (
        "Distances are root mean squares over the data, relative to the initial error, the largest over all times. "
        "Descent is what an infinitely wide network does in the same steps: only the width is between it and a "
        "network. The flow is what it does in infinitely small steps, and is what is predicted."
    )
    pictures = (
        Picture(
            "widths",
            "Distance against width",
            "Left: to descent at infinite width with the same learning rate; small points are single networks, markers "
            "their geometric means, the line has the exponent −1/2. Right: to the flow; dashed lines are the distance "
            "from descent to flow at infinite width, the floor of each learning rate.",
            width_finding(worst, laws),
            functools.partial(width_figure, worst, laws),
        ),
        Picture(
            "floor",
            "Distance of the widest networks against the learning rate",
            "Points are single networks of the largest width, in grey the means of narrower ones; the black line is "
            "the floor computed at infinite width, the dashed one has the exponent 1.",
            floor_finding(worst, laws),
            functools.partial(floor_figure, worst, laws),
        ),
        Picture(
            "times",
            "When networks are farthest from the prediction",
            "Distance to descent with the smallest learning rate over training time, a line for each width, the "
            "mean of its networks; dashed, the distance from descent to flow for each learning rate.",
            time_finding(data),
            functools.partial(time_figure, data),
        ),
    )
    return (Section("Two laws", text, pictures, (_fits(laws), _distances(data, worst))),)


def width_finding(worst: xr.Dataset, laws: Laws) -> str:
    """What the picture of the widths shows."""
    slopes = ", ".join(f"{_law(law)} at η = {rate:g}" for rate, law in laws.widths.items())
    first, last = (_mean(worst.to_descent.isel(width=at, rate=-1)) for at in (0, -1))
    low, high = int(worst.width[0]), int(worst.width[-1])
    floors = worst.to_flow.isel(width=-1)
    levels = ", ".join(
        f"{_percent(_mean(floors.sel(rate=rate)))} at η = {rate:g}" for rate in worst["rate"].values
    )
    return (
        f"The distance to descent falls with the width like a power with the exponent {slopes}: with the smallest "
        f"learning rate from {_percent(first)} at {low:,} neurons to {_percent(last)} at {high:,}. The distance to the "
        f"flow stops falling where the learning rate is what is left: {levels}, at {high:,} neurons."
    )


def floor_finding(worst: xr.Dataset, laws: Laws) -> str:
    """What the picture of the floor shows."""
    measured = worst.to_flow.isel(width=-1)
    ratios = [
        _mean(measured.sel(rate=rate)) / float(worst.floor.sel(rate=rate)) for rate in worst["rate"].values
    ]
    return (
        f"At {int(worst.width[-1]):,} neurons the distance to the flow follows the learning rate with the exponent "
        f"{_law(laws.floor)}. It is between {min(ratios):.2f} and {max(ratios):.2f} times the floor computed at "
        "infinite width."
    )


def time_finding(data: xr.Dataset) -> str:
    """When distances are largest."""
    at = [
        float(data.time[int(np.nanargmax(_over_seeds(data.to_descent.isel(width=i, rate=-1))))])
        for i in range(data.sizes["width"])
    ]
    floor = float(data.time[int(np.argmax(data.floor.isel(rate=-1).values))])
    return (
        f"Networks are farthest from descent between t = {min(at):.3g} and {max(at):.3g}; descent from the flow at "
        f"t = {floor:.3g}. Later both distances fade with the error itself."
    )


def width_figure(worst: xr.Dataset, laws: Laws) -> Figure:
    """Distances to descent and to the flow against width."""
    figure = new_figure(4.6)
    left, right = figure.subplots(1, 2, sharey=True)
    widths = worst.width.values.astype(float)
    for (rate, _), (colour, marker) in zip(laws.widths.items(), STYLES, strict=False):
        for ax, name in ((left, "to_descent"), (right, "to_flow")):
            single = worst[name].sel(rate=rate)
            _scatter(ax, widths, single.transpose("seed", "width").values, colour)
            means = [_mean(single.isel(width=i)) for i in range(len(widths))]
            line = {"lw": 1.0} if ax is right else {"ls": "none"}
            ax.plot(widths, means, marker=marker, color=colour, mfc="none", mew=1.4, ms=6, **line)
        right.axhline(float(worst.floor.sel(rate=rate)), color=colour, ls="--", lw=1.2)
    middle = np.exp(
        np.mean([np.log(law.factor) + law.slope * np.mean(np.log(widths)) for law in laws.widths.values()])
    )
    slope = middle * (widths / np.exp(np.mean(np.log(widths)))) ** -0.5
    left.plot(widths, slope, color=GREY, lw=1.2, zorder=0)
    for ax, title in ((left, "to descent, same learning rate"), (right, "to the flow")):
        ax.set_xscale("log")
        ax.set_title(title, loc="left", fontsize=10)
        log_axis(ax)
        tidy(ax, "width m (neurons)", DISTANCE if ax is left else "")
    _legend(figure, list(laws.widths), [("exponent −1/2", "-"), ("floor at infinite width", "--")])
    return figure


def floor_figure(worst: xr.Dataset, laws: Laws) -> Figure:
    """Distance to the flow against the learning rate, of the widest networks and of the others."""
    figure = new_figure(4.4)
    ax = figure.subplots()
    rates = worst["rate"].values
    for i, width in enumerate(worst.width.values[:-1]):
        means = [_mean(worst.to_flow.isel(width=i, rate=j)) for j in range(len(rates))]
        ax.plot(rates, means, color="#9aa5b1", lw=1.0, marker=".", ms=6)
        ax.annotate(
            f"{width:,} neurons",
            (rates[-1], means[-1]),
            xytext=(-8, -4),
            textcoords="offset points",
            ha="right",
            color=GREY,
            fontsize=9,
        )
    ax.plot(rates, worst.floor.values, color="#222222", lw=1.4)
    centre = np.exp(np.mean(np.log(rates)))
    ax.plot(rates, laws.floor.at(np.array([centre])) * rates / centre, color=GREY, lw=1.1, ls="--", zorder=0)
    widest = worst.to_flow.isel(width=-1).dropna("seed").transpose("seed", "rate").values
    for row in widest:
        ax.plot(rates, row, ls="none", marker="o", ms=6, mfc="none", mew=1.3, color=STYLES[0][0])
    ax.set_xscale("log")
    ax.set_xticks(rates, [f"{rate:g}" for rate in rates])
    reach = rates[0] / rates[-1]
    ax.set_xlim(rates[-1] / reach**0.24, rates[0] * reach**0.04)  # room for the names of the lines
    ax.minorticks_off()
    log_axis(ax)
    tidy(ax, "learning rate η", f"{DISTANCE}, to the flow")
    handles = [
        Line2D(
            [],
            [],
            ls="none",
            marker="o",
            mfc="none",
            mew=1.3,
            color=STYLES[0][0],
            label=f"networks of {int(worst.width[-1]):,}",
        ),
        Line2D([], [], color="#9aa5b1", marker=".", label="narrower networks, mean"),
        Line2D([], [], color="#222222", lw=1.4, label="descent at infinite width"),
        Line2D([], [], color=GREY, lw=1.1, ls="--", label="exponent 1"),
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=4, frameon=False, fontsize=9)
    return figure


def time_figure(data: xr.Dataset) -> Figure:
    """Distances over training time."""
    figure = new_figure(4.4)
    ax = figure.subplots()
    times = data.time.values
    handles = []
    for i, (width, (colour, marker)) in enumerate(
        zip(data.width.values, _cycle(data.sizes["width"]), strict=True)
    ):
        mean = _over_seeds(data.to_descent.isel(width=i, rate=-1))
        ax.plot(times[1:], mean[1:], color=colour, marker=marker, ms=4.5, mfc="none", lw=1.3)
        handles.append(Line2D([], [], color=colour, marker=marker, mfc="none", label=f"{width:,} neurons"))
    for rate in data["rate"].values:
        floor = data.floor.sel(rate=rate).values
        ax.plot(times[1:], floor[1:], color=GREY, ls="--", lw=1.0)
        ax.annotate(
            f"η = {rate:g}",
            (times[-1], floor[-1]),
            xytext=(5, -3),
            textcoords="offset points",
            color=GREY,
            fontsize=9,
        )
    handles.append(Line2D([], [], color=GREY, ls="--", lw=1.0, label="descent to flow"))
    log_axis(ax)
    tidy(ax, "training time t = Σ η", "distance / initial error")
    figure.legend(handles=handles, loc="outside upper left", ncols=3, frameon=False, fontsize=9)
    return figure


def _fits(laws: Laws) -> Table:
    rows = [(name, f"{law.slope:.3f}", f"± {law.uncertainty:.3f}") for name, law in laws.named().items()]
    return Table(
        "Exponents fitted on logarithms, with 95 % confidence from the networks: single networks for the width, one "
        "exponent of each network for the learning rate.",
        ("distance against", "exponent", "confidence"),
        rows,
        "Exponents",
    )


def _distances(data: xr.Dataset, worst: xr.Dataset) -> Table:
    rates = worst["rate"].values
    head = (
        "width",
        "networks",
        "method",
        *(f"to descent, η = {r:g}" for r in rates),
        *(f"to flow, η = {r:g}" for r in rates),
    )
    rows = []
    for i, width in enumerate(worst.width.values):
        count = int(worst.to_flow.isel(width=i, rate=0).notnull().sum())
        cells = [
            _percent(_mean(worst[name].isel(width=i, rate=j)))
            for name in ("to_descent", "to_flow")
            for j in range(len(rates))
        ]
        rows.append((f"{width:,}", str(count), str(data.attrs[f"method at width {width}"]), *cells))
    floors = [_percent(float(worst.floor.sel(rate=rate))) for rate in rates]
    rows.append(("infinite", "", "kernel", *("0 %" for _ in rates), *floors))
    return Table(
        "Geometric means over networks of the largest distance at any time.", head, rows, "Distances"
    )


def _scatter(ax: Axes, x: np.ndarray, rows: np.ndarray, colour: str) -> None:
    for row in rows:
        ax.plot(x, row, ls="none", marker=".", ms=5, mew=0, alpha=0.4, color=colour)


def _mean(values: xr.DataArray) -> float:
    """Geometric mean over networks."""
    return float(np.exp(np.nanmean(np.log(values.values))))


def _over_seeds(values: xr.DataArray) -> np.ndarray:
    return np.asarray(values.mean("seed").values)


def _cycle(count: int) -> list[tuple[str, str]]:
    return [STYLES[i % len(STYLES)] for i in range(count)]


def _law(law: PowerLaw) -> str:
    return f"{law.slope:.3f} ± {law.uncertainty:.3f}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _legend(figure: Figure, rates: list[float], lines: list[tuple[str, str]]) -> None:
    handles = [
        Line2D(
            [], [], ls="none", marker=marker, mfc="none", mew=1.4, color=colour, label=f"η = {plain(rate)}"
        )
        for rate, (colour, marker) in zip(rates, STYLES, strict=False)
    ]
    handles += [Line2D([], [], color=GREY, ls=style, label=name) for name, style in lines]
    figure.legend(handles=handles, loc="outside upper left", ncols=6, frameon=False, fontsize=9)
