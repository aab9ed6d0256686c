"""The page of a designed-density study: densities beside their spectra, and the training error they leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fefreq.initialisation.density.picture import draw_spectrum
from fefreq.output.plots.axes import FREQUENCY, GREY, TIME, log_axis, new_figure, plain, tidy, time_axis
from harness.reports.page import Picture, Section, Table
from harness.studies.designed_density.findings import SOURCES

if TYPE_CHECKING:
    from harness.studies.designed_density.findings import Findings

# Colours of Okabe and Ito; line, marker, colour of each density.
STYLES = {
    "designed": ("-", "o", "#222222"),
    "gaussian": ("--", "s", "#0072B2"),
    "uniform": (":", "^", "#D55E00"),
}
NAMES = {"designed": "designed", "gaussian": "best Gaussian", "uniform": "best uniform"}


def sections(found: Findings) -> tuple[Section, ...]:
    """All sections of the page."""
    study = found.study
    text = (
        f"Signals with spectra k^-α up to {study.tones} cycles per unit length and random phases, in a Gaussian "
        f"window of standard deviation {study.window:g}, on {study.samples} points from -1 to 1. Networks on Fourier "
        f"features, output weights of standard deviation {study.output_std:g} at the start. Three densities for "
        f"each signal: designed for the signal and a training time of {study.time_budget:g}, and the Gaussian and "
        "the uniform density whose scale leaves the smallest error there by prediction. The error is the root mean "
        "square on the data over its value at the start; nothing is held out."
    )
    pictures = [
        Picture(
            "densities",
            "Densities beside the spectra",
            "Above: the energy spectrum of each signal. Below: the designed density, and the best of the two "
            "families.",
            _design_finding(found),
            lambda: densities_figure(found),
        ),
        Picture(
            "errors",
            "Training error over time",
            "Lines: predicted by the kernel flow at infinite width. "
            + ("Markers: trained networks, the mean of all seeds. " if study.training else "")
            + "The vertical line is the budget that the design was made for.",
            _error_finding(found),
            lambda: errors_figure(found),
        ),
    ]
    return (Section("Is a designed density worth it?", text, pictures, [_errors(found), _designs(found)]),)


def densities_figure(found: Findings) -> Figure:
    """Spectra above, densities below, a column for each exponent."""
    study = found.study
    figure = new_figure(5.4)
    panels = figure.subplots(2, len(study.exponents), squeeze=False, sharex=True, height_ratios=(2, 3))
    edge = max(_reach(found, exponent) for exponent in study.exponents)
    for (above, below), exponent in zip(panels.T, study.exponents, strict=True):
        frequencies = np.linspace(0.0, edge, 801)
        energy = np.abs(study.target(exponent).spectrum(frequencies)) ** 2
        draw_spectrum(above, frequencies, energy)
        above.set_title(f"exponent {exponent:g}", fontsize=10)
        tidy(above, "", "energy |f̂|²" if exponent == study.exponents[0] else "")
        for name, density in found.densities(exponent).items():
            line, _, colour = STYLES[name]
            below.plot(frequencies, density.pdf(frequencies), ls=line, color=colour, lw=1.7)
        below.set_ylim(bottom=0.0)
        tidy(below, "", "density ρ" if exponent == study.exponents[0] else "")
    figure.supxlabel(FREQUENCY, fontsize=10)
    figure.legend(handles=_handles(trained=False), loc="outside upper left", ncols=3, frameon=False)
    return figure


def errors_figure(found: Findings) -> Figure:
    """Training error against time, a panel for each exponent."""
    study, data = found.study, found.data
    figure = new_figure(4.4)
    panels = figure.subplots(1, len(study.exponents), squeeze=False)[0]
    for ax, exponent in zip(panels, study.exponents, strict=True):
        for name, (line, marker, colour) in STYLES.items():
            at: dict[str, Any] = {"density": name, "exponent": exponent}
            ax.plot(data.time, data.predicted.sel(source="kernel", **at), ls=line, color=colour, lw=1.8)
            if "trained" in data:
                mean = data.trained.sel(at).mean("member")
                ax.plot(
                    data.time,
                    mean,
                    ls="none",
                    marker=marker,
                    ms=5,
                    mfc="none",
                    mew=1.2,
                    color=colour,
                    clip_on=False,
                )
        log_axis(ax)
        time_axis(ax, np.asarray(data.time.values))
        ax.axvline(study.time_budget, color=GREY, lw=1.0)
        _say_budget(ax, study.time_budget)
        ax.set_title(f"exponent {exponent:g}", fontsize=10)
        tidy(ax, "", "training error over its start" if ax is panels[0] else "")
    figure.supxlabel(TIME, fontsize=10)
    figure.legend(
        handles=_handles(trained="trained" in data), loc="outside upper left", ncols=4, frameon=False
    )
    return figure


def _say_budget(ax: Axes, budget: float) -> None:
    ax.annotate(
        "budget",
        (budget, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-4, -4),
        textcoords="offset points",
        ha="right",
        va="top",
        rotation=90,
        color=GREY,
        fontsize=9,
    )


def _handles(trained: bool) -> list[Line2D]:
    handles = [
        Line2D([], [], ls=line, color=colour, lw=1.8, label=NAMES[name])
        if not trained
        else Line2D([], [], ls=line, color=colour, lw=1.8, label=NAMES[name], marker=marker, mfc="none")
        for name, (line, marker, colour) in STYLES.items()
    ]
    if trained:
        handles.append(
            Line2D([], [], ls="none", marker="o", mfc="none", color=GREY, label="markers: trained")
        )
    return handles


def _reach(found: Findings, exponent: float) -> float:
    """Frequency up to which a picture has to go."""
    density = found.designs[exponent].density
    usual = [d for name, d in found.densities(exponent).items() if name != "designed"]
    return max(density.support_radius, *(1.1 * d.radius(0.98) for d in usual))


def _design_finding(found: Findings) -> str:
    sentences = []
    for exponent, design in found.designs.items():
        scales = found.data.scale.sel(source="kernel", exponent=exponent)
        sentences.append(
            f"Exponent {exponent:g}: 95 % of the designed frequencies lie below {design.density.radius(0.95):.3g} "
            f"cycles per unit length; the best Gaussian has a scale of {float(scales.sel(density='gaussian')):.3g}, "
            f"the best uniform density a half-width of {float(scales.sel(density='uniform')):.3g}."
        )
    gained = [1 - design.history[-1] / design.history[0] for design in found.designs.values()]
    sentences.append(
        f"Descent through the equation took {_range([100 * g for g in gained], '.2g')} % off the error of "
        "water-filling."
    )
    return " ".join(sentences)


def _error_finding(found: Findings) -> str:
    source = "network" if "trained" in found.data else "kernel"
    left, ratio = found.at_budget, found.ratio
    sentences = []
    for exponent in found.study.exponents:
        at = left.sel(source=source, exponent=exponent)
        gain = 1 - float(ratio.sel(source=source, exponent=exponent))
        sentences.append(
            f"Exponent {exponent:g}: at the budget the designed density leaves {_percent(at, 'designed')} of the "
            f"error, the best Gaussian {_percent(at, 'gaussian')}, the best uniform one {_percent(at, 'uniform')}: "
            f"{100 * abs(gain):.0f} % {'less' if gain >= 0 else 'more'} than the better of the two."
        )
    if source == "network":
        gap = float(np.abs(left.sel(source="network") / left.sel(source="kernel") - 1).max())
        sentences.append(
            f"These are measured; networks are within {100 * gap:.1f} % of the kernel flow at the budget."
        )
    else:
        sentences.append("These are predicted by the kernel flow.")
    sentences.append(_afterwards(found))
    return " ".join(sentences)


def _afterwards(found: Findings) -> str:
    """Whether the design keeps its lead to the last time, which it was not made for."""
    end = found.data.predicted.sel(source="kernel").isel(time=-1)
    lost = [
        f"{exponent:g}"
        for exponent in found.study.exponents
        if float(end.sel(density="designed", exponent=exponent))
        > float(end.sel(exponent=exponent).min("density"))
    ]
    last = f"t = {plain(float(found.data.time[-1]))}"
    if not lost:
        return f"It is still ahead at {last}."
    return f"At {last}, which it was not designed for, it has been overtaken for exponent {', '.join(lost)}."


def _errors(found: Findings) -> Table:
    left, data = found.at_budget, found.data
    sources = [source for source in SOURCES if source in left.source]
    rows = []
    for exponent in found.study.exponents:
        for name, label in NAMES.items():
            at: dict[str, Any] = {"density": name, "exponent": exponent}
            cells = [f"{100 * float(left.sel(source=source, **at)):.3f} %" for source in sources]
            if "trained" in data:
                members = data.trained.sel(time=found.study.time_budget, **at)
                cells[-1] += f" ({100 * float(members.min()):.3f} to {100 * float(members.max()):.3f})"
            scales = data.scale.sel(at)
            scale = "" if name == "designed" else " / ".join(f"{float(s):.4g}" for s in scales)
            rows.append((f"{exponent:g}", label, scale, *cells, *_steps(found, at)))
        ratios = [f"{float(found.ratio.sel(source=source, exponent=exponent)):.3f}" for source in sources]
        rows.append((f"{exponent:g}", "designed over the better other", "", *ratios, *_steps(found, {})))
    head = ("exponent", "density", "scale", *(SOURCES[source] for source in sources))
    return Table(
        f"Training error at t = {plain(found.study.time_budget)} over its start; scales are the best ones by the "
        "diffusion equation and by the kernel flow, in cycles per unit length, and networks use the latter. For "
        "networks: mean of all, with the smallest and the largest.",
        (*head, *(("steps",) if "steps" in data else ())),
        rows,
        "Errors at the budget",
    )


def _steps(found: Findings, at: dict[str, Any]) -> tuple[str, ...]:
    if "steps" not in found.data:
        return ()
    return (f"{int(found.data.steps.sel(at))}",) if at else ("",)


def _designs(found: Findings) -> Table:
    rows = []
    for exponent, design in found.designs.items():
        rows.append(
            (
                f"{exponent:g}",
                f"{100 * design.history[0]:.3f} %",
                f"{100 * design.predicted_error:.3f} %",
                f"{len(design.history) - 1}",
                f"{design.evaluations}",
                f"{design.gap:.1e}",
                f"{float(found.data.gradient_difference.sel(exponent=exponent)):.1e}",
                f"{design.water_level:.3g}",
                design.result.value,
            )
        )
    return Table(
        "How the densities were designed. The gap is a first-order bound of what is left to gain, as a share of the "
        "squared error; the gradient is held against central finite differences in a random direction.",
        (
            "exponent",
            "water-filling",
            "after descent",
            "steps",
            "propagations",
            "gap",
            "gradient",
            "water level μ",
            "result",
        ),
        rows,
        "Designs",
    )


def _percent(errors: xr.DataArray, density: str) -> str:
    return f"{100 * float(errors.sel(density=density)):.3g} %"


def _range(values: list[float], form: str) -> str:
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"
