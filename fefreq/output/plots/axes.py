"""Axes, styles and numbers that all pictures share.

Colours of times and maps are perceptually uniform; sources differ by line and marker, not by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from fefreq.support.arrays import FloatArray

WIDTH = 9.0  # inches; text of 10 points then reads well on a page of 1000 pixels
DPI = 160
FLOOR = 1e-4  # moduli are drawn down to this share of the largest
COLOURS = "viridis"
FREQUENCY = "frequency ξ (cycles per unit length)"
RADIUS = "radius of frequency |ξ| (cycles per unit length)"
TIME = "training time t = Σ η"
MODULUS = "modulus of the error |û|"
GREY = "#5f6b76"


@dataclass(frozen=True)
class Style:
    """How a source is called and drawn."""

    label: str
    line: str
    marker: str
    colour: str

    @property
    def strokes(self) -> dict[str, Any]:
        """Arguments of a line that draw it so, without its colour."""
        shape = {"marker": self.marker or "none", "ms": 4.5, "mfc": "none", "mew": 1.2}
        return {"ls": self.line or "none", "lw": 1.8, **shape}


# Colours of Okabe and Ito, which colour-blind readers tell apart.
STYLES = {
    "pde": Style("diffusion equation", "-", "", "#222222"),
    "kernel": Style("kernel flow", "--", "", "#D55E00"),
    "descent": Style("kernel descent", ":", "", "#009E73"),
    "network": Style("networks", "", "o", "#0072B2"),
    "error": Style("error", "-", "", "#222222"),
}
OTHER_STYLES = (("-.", "", "#009E73"), ("", "s", "#CC79A7"), (":", "", "#56B4E9"), ("", "^", "#E69F00"))


def source_styles(sources: Sequence[str]) -> dict[str, Style]:
    """Styles of sources by name; those without one of their own take turns."""
    unknown = [name for name in sources if name not in STYLES]
    spare = {name: Style(name, *OTHER_STYLES[i % len(OTHER_STYLES)]) for i, name in enumerate(unknown)}
    return {name: STYLES.get(name) or spare[name] for name in sources}


def source_handles(sources: Sequence[str], coloured: bool = False) -> list[Line2D]:
    """Entries of a legend that name the sources."""
    return [
        Line2D([], [], color=style.colour if coloured else GREY, label=style.label, **style.strokes)
        for style in source_styles(sources).values()
    ]


def new_figure(height: float) -> Figure:
    """A figure of page width and of a height in inches, which pyplot does not know."""
    figure = Figure(figsize=(WIDTH, height))
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.06)
    return figure


def moduli_norm(largest: float) -> LogNorm:
    """Colours over four decades below the largest modulus."""
    largest = largest or 1.0
    return LogNorm(FLOOR * largest, largest, clip=True)


def add_colourbar(figure: Figure, mesh: QuadMesh, axes: list[Axes]) -> None:
    """A colour bar for one panel or for several."""
    bar = figure.colorbar(mesh, ax=axes, extend="min", pad=0.015, aspect=30)
    bar.set_label(MODULUS)
    bar.outline.set_visible(False)


def time_axis(ax: Axes, times: FloatArray) -> None:
    """Logarithmic time that is linear from 0 to the first time after it."""
    if len(times) == 1:
        ax.set_xlim(times[0], times[0] + 1)
        ax.set_xticks(times)
        return
    ax.set_xlim(times[0], times[-1])
    positive = times[times > 0]
    if len(positive) < 2:
        return
    first, last = float(positive[0]), float(positive[-1])
    if times[0] == 0:
        decades = math.log10(last / first)
        ax.set_xscale("symlog", linthresh=first, linscale=max(0.15, 0.12 * decades))
    else:
        ax.set_xscale("log")
    _log_ticks(ax.xaxis, first, last, zero=bool(times[0] == 0))


def log_axis(ax: Axes) -> None:
    """Logarithmic ordinate over what is drawn, if anything is."""
    lowest, highest = ax.dataLim.intervaly
    if not 0 < lowest <= highest < math.inf:
        return
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    _log_ticks(ax.yaxis, low, high)
    ax.set_ylim(low, high)


def _log_ticks(axis: Axis, low: float, high: float, zero: bool = False) -> None:
    steps = (1, 2, 5) if high / low < 30 else (1,)
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    # Powers of more than six decades would crowd each other.
    stride = math.ceil(len(exponents) / 7)
    major = [step * 10.0**e for e in exponents for step in steps if e % stride == 0]
    minor = [step * 10.0**e for e in exponents for step in range(1, 10)]
    inside = [[tick for tick in ticks if low * 0.999 <= tick <= high * 1.001] for ticks in (major, minor)]
    axis.set_major_locator(FixedLocator(([0.0] if zero else []) + inside[0]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    axis.set_minor_locator(FixedLocator(inside[1] if stride == 1 else []))
    axis.set_minor_formatter(NullFormatter())


def plain(value: float) -> str:
    """A number as short as it reads well.

    >>> [plain(v) for v in (0.0, 0.01, 2.0, 1000.0, 1e5)]
    ['0', '0.01', '2', '1000', '$10^{5}$']
    """
    if value == 0 or 1e-3 <= value < 1e5:
        return f"{value:g}"
    exponent = math.floor(math.log10(value) + 1e-9)
    mantissa = value / 10.0**exponent
    return rf"$10^{{{exponent}}}$" if abs(mantissa - 1) < 1e-6 else rf"${mantissa:.3g}·10^{{{exponent}}}$"


def time_label(time: float) -> str:
    """A time to three digits."""
    return f"t = {plain(float(f'{time:.3g}'))}"


def note(ax: Axes, text: str, height: float, right: bool = False) -> None:
    """Words just above a horizontal line."""
    ax.annotate(
        text,
        (float(right), height),
        xycoords=("axes fraction", "data"),
        xytext=(-6 if right else 6, 4),
        textcoords="offset points",
        ha="right" if right else "left",
        color=GREY,
        fontsize=9,
    )


def tidy(ax: Axes, xlabel: str, ylabel: str, grid: bool = True) -> None:
    """Labels, two spines, and a faint grid."""
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.spines[["top", "right"]].set_visible(False)
    if grid:
        ax.grid(color="#d8dde2", lw=0.6)
        ax.set_axisbelow(True)
