"""The page of a density-family study: errors against scale, and the answer in numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from fefreq.output.plots.axes import GREY, new_figure, plain, tidy
from harness.reports.page import Picture, Section, Table

if TYPE_CHECKING:
    from harness.studies.density_family.findings import Findings

# Colours of Okabe and Ito; line, marker, colour of each family.
STYLES = {
    "gaussian": ("-", "o", "#0072B2"),
    "uniform": ("--", "s", "#D55E00"),
    "log-uniform": ("-.", "D", "#009E73"),
    "laplace": (":", "^", "#CC79A7"),
}


def sections(found: Findings) -> tuple[Section, ...]:
    """All sections of the page."""
    study = found.study
    layers = f"{study.hidden_layers} hidden layers" if study.hidden_layers else "no hidden layer"
    text = (
        f"{study.signals} signals of each exponent with random phases, on {study.samples} trained points of an "
        f"interval of length 1 and {study.samples - 1} held out between them; networks on frozen Fourier features "
        f"with {layers}, at training time {study.time:g}. The error is the root mean square at the held-out points; "
        "the signals have mean square 1."
    )
    tables = [_best(found)]
    if study.training is not None:
        tables.append(_trained(found))
    picture = Picture(
        "held-out",
        "Held-out error against scale",
        "A panel for each exponent, a line for each family of densities, predicted by the kernel flow at infinite "
        "width; the abscissa is the standard deviation of the frequencies. "
        + ("Markers: trained networks, the mean of all seeds." if study.training else ""),
        finding(found),
        lambda: held_out_figure(found),
    )
    return (Section("Shape or scale?", text, [picture], tables),)


def finding(found: Findings) -> str:
    """The answer in sentences."""
    sentences = []
    for exponent in found.study.exponents:
        best = found.best.sel(exponent=exponent)
        scales = found.best_scale.sel(exponent=exponent)
        ratio = found.scale_ratio.sel(exponent=exponent)
        sentences.append(
            f"Exponent {exponent:g}: the best error is {_range(best.values, '.3g')} depending on the shape (a ratio "
            f"of {float(found.shape_ratio.sel(exponent=exponent)):.3g}), at scales {_range(scales.values, '.3g')}; "
            f"the worst scale of each costs {_range(ratio.values, '.3g')} times as much."
        )
    if len(found.study.families) == 1:
        return " ".join(sentences)
    shape, scale = found.shape_ratio.values, found.scale_ratio.values
    more = bool((found.outweighs > 1).all())
    answer = (
        f"With each shape at its best scale, the best error varies by a factor of {_range(shape, '.3g')} between "
        f"shapes; for a shape, the worst scale costs a factor of {_range(scale, '.3g')}: "
        + ("the scale matters more than the shape." if more else "the shape matters as much as the scale.")
        + f" At a scale that is not the best, the shape matters as well: at equal scales errors differ by factors of "
        f"up to {_range(found.same_scale_ratio.values, '.3g')}."
    )
    return " ".join([answer, *sentences])


def held_out_figure(found: Findings) -> Figure:
    """Error against scale on logarithmic axes, a panel for each exponent."""
    study, data = found.study, found.data
    figure = new_figure(4.2)
    panels = figure.subplots(1, len(study.exponents), squeeze=False, sharex=True)[0]
    for ax, exponent in zip(panels, study.exponents, strict=True):
        for family in study.families:
            line, marker, colour = STYLES[family]
            error = data.predicted.sel(family=family, exponent=exponent)
            ax.plot(data.scale, error, ls=line, color=colour, lw=1.9)
            if study.training is not None:
                dots = found.trained.sel(family=family, exponent=exponent)
                ax.plot(
                    data.marked, dots, ls="none", marker=marker, ms=6.5, mfc="none", mew=1.5, color=colour
                )
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter(lambda value, _: plain(value))
        ax.set_title(f"exponent {exponent:g}", fontsize=10)
        tidy(ax, "", "error at held-out points" if ax is panels[0] else "")
        _error_axis(ax)
    figure.supxlabel("standard deviation of the frequencies (cycles per unit length)", fontsize=10)
    handles = [
        Line2D(
            [],
            [],
            ls=STYLES[name][0],
            color=STYLES[name][2],
            lw=1.9,
            label=name,
            **_mark(study.training is not None, name),
        )
        for name in study.families
    ]
    if study.training is not None:
        handles.append(
            Line2D([], [], ls="none", marker="o", mfc="none", color=GREY, label="markers: trained")
        )
    figure.legend(handles=handles, loc="outside upper left", ncols=5, frameon=False)
    return figure


def _error_axis(ax: Axes) -> None:
    """Logarithmic errors with enough numbers, however little they vary."""
    low, high = 0.93 * ax.dataLim.y0, 1.07 * ax.dataLim.y1
    steps = (1, 2, 3, 4, 5, 6, 8) if high / low < 5 else (1, 2, 5)
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**e for e in exponents for step in steps]
    ax.set_yscale("log")
    ax.set_ylim(low, high)
    ax.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _mark(trained: bool, family: str) -> dict[str, Any]:
    return {"marker": STYLES[family][1], "mfc": "none", "ms": 6.5, "mew": 1.5} if trained else {}


def _best(found: Findings) -> Table:
    exponents = found.study.exponents
    rows: list[tuple[str, ...]] = []
    for family in found.study.families:
        cells = [str(family)]
        for exponent in exponents:
            at = {"family": family, "exponent": exponent}
            cells.append(f"{float(found.best.sel(at)):.3g} at {float(found.best_scale.sel(at)):.3g}")
        rows.append(tuple(cells))
    for title, ratios in (
        ("ratio of best errors", found.shape_ratio),
        ("largest ratio at one scale", found.same_scale_ratio),
    ):
        rows.append((title, *(f"{float(ratios.sel(exponent=exponent)):.3g}" for exponent in exponents)))
    return Table(
        "Smallest predicted held-out error of each family, and the standard deviation at which it is reached.",
        ("family", *(f"exponent {exponent:g}" for exponent in exponents)),
        rows,
        "Best scale of each family",
    )


def _trained(found: Findings) -> Table:
    rows = []
    trained, gap = found.trained, found.gap
    for family in found.study.families:
        for marked in found.data.marked.values:
            at = {"family": family, "marked": marked}
            cells = [
                f"{float(trained.sel(**at, exponent=e)):.3g} ({100 * float(gap.sel(**at, exponent=e)):+.1f} %)"
                for e in found.study.exponents
            ]
            rows.append((family, f"{marked:g}", f"{int(found.data.steps.sel(at))}", *cells))
    training = found.study.training
    assert training is not None
    return Table(
        f"Held-out error of {training.seeds} trained network(s) of {training.width} neurons (root mean square), and "
        "by how much it exceeds the prediction.",
        ("family", "scale", "steps", *(f"exponent {e:g}" for e in found.study.exponents)),
        rows,
        "Trained networks",
    )


def _range(values: np.ndarray, form: str) -> str:
    low, high = format(float(np.min(values)), form), format(float(np.max(values)), form)
    return low if low == high else f"{low} to {high}"
