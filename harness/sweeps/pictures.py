"""Pictures of a sweep: one quantity against one swept key, a colour for every choice of the other keys."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from fefreq.fields.half_life import time_to_level
from fefreq.output.plots.axes import GREY, log_axis, new_figure, plain, source_styles, tidy
from fefreq.support.arrays import FloatArray

# Colours of Okabe and Ito, which colour-blind readers tell apart; there is a line for as many choices.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#222222")
MOST_PANELS = 6
COLUMNS = 3
SINGLE: dict[str, Any] = {"alpha": 0.55, "ms": 5.0, "mew": 0.0}  # how single networks are drawn
VISIBLE_BELOW = 10  # by how much a difference may be smaller than that of any network and still be drawn
WIDE_RANGE = 8  # the ratio of largest to smallest value beyond which an axis is logarithmic


@dataclass(frozen=True)
class Choice:
    """Values of the keys that a line does not run over."""

    at: dict[str, int]
    label: str
    colour: str


def choices(data: xr.Dataset, key: str) -> list[Choice]:
    """The choices of the other keys that are drawn, the first few if there are many."""
    others = [k for k in swept_keys(data) if k != key and data.sizes[k] > 1]
    places = itertools.product(*(range(data.sizes[k]) for k in others))
    return [
        Choice(
            dict(zip(others, place, strict=True)),
            ", ".join(f"{k} = {label(data, k, i)}" for k, i in zip(others, place, strict=True)),
            colour,
        )
        for place, colour in zip(places, COLOURS, strict=False)
    ]


def swept_keys(data: xr.Dataset) -> list[str]:
    """The keys of a gathered dataset, in their order."""
    return [str(name) for name in data.failure.dims]


def label(data: xr.Dataset, key: str, index: int) -> str:
    """A value of a swept key in words."""
    value = data[key].values[index]
    return f"{value:g}" if np.issubdtype(data[key].dtype, np.number) else str(value)


def tone_label(data: xr.Dataset, index: int) -> str:
    """Frequency of a tone in words."""
    components = [float(data[n].values[index]) for n in ("tone_0", "tone_1", "tone_2") if n in data.coords]
    return " × ".join(f"{c:g}" for c in components) + (" cycle" if components == [1.0] else " cycles")


def half_lives(data: xr.Dataset) -> xr.DataArray:
    """Half-lives of the tones or, where there are none, of the norm of the error: dimensions end with ``tone``."""
    if "tone_half_life" in data:
        return data["tone_half_life"]
    left: xr.DataArray = data["remaining"].transpose("time", ...)
    lives = np.asarray(time_to_level(left.time.values, left.values.reshape(len(left), -1), 0.5))
    overall = left.isel(time=0, drop=True).copy(data=lives.reshape(left.shape[1:]))
    return overall.where(left.notnull().all("time")).expand_dims("tone", axis=-1)


def difference_figure(data: xr.Dataset, key: str) -> Figure:
    """Largest difference from the reference at any time against a swept key, one panel for each model."""
    models = [str(name) for name in data.model.values][:MOST_PANELS]
    figure, panels = _panels(len(models))
    worst = _comparable(data.difference.max("time", skipna=False), str(data.attrs["reference"]))
    drawn = [str(name) for name in worst.source.values]
    single = data.member_difference.max("time", skipna=False) if "member_difference" in data else None
    scattered = single is not None and "network" in drawn and data.sizes["seed"] > 1
    for ax, model in zip(panels, models, strict=True):
        for choice, source in itertools.product(choices(data, key), drawn):
            values = worst.sel(model=model, source=source).isel(choice.at)
            _draw(ax, data, key, _along(values, key), source, choice)
            if source == "network" and scattered and single is not None:
                for seed in range(data.sizes["seed"]):
                    members = single.sel(model=model, source=source).isel(choice.at | {"seed": seed})
                    colour = _colour(data, key, source, choice)
                    ax.plot(_positions(data, key), _along(members, key), ".", color=colour, **SINGLE)
        title = model if len(models) > 1 else ""
        _finish(ax, data, key, "largest difference / initial error", title, ax in panels[::COLUMNS])
    _legend(figure, data, key, drawn, scattered)
    return figure


def half_life_figure(data: xr.Dataset, key: str) -> Figure:
    """Half-lives against a swept key, one panel for each model and tone."""
    lives = half_lives(data)
    several = data.sizes["model"] > 1
    places = list(itertools.product(range(data.sizes["model"]), range(lives.sizes["tone"])))[:MOST_PANELS]
    figure, panels = _panels(len(places))
    reference = str(data.attrs["reference"])
    drawn = [reference] + (["network"] if "network" in data.source.values else [])
    for ax, (model, tone) in zip(panels, places, strict=True):
        for choice, source in itertools.product(choices(data, key), drawn):
            chosen = lives.isel(model=model, tone=tone).sel(source=source).isel(choice.at)
            _draw(ax, data, key, _along(chosen, key), source, choice)
        words = [str(data.model.values[model])] if several else []
        words += [tone_label(data, tone)] if "tone_half_life" in data else []
        _finish(ax, data, key, "half-life (training time)", ", ".join(words), ax in panels[::COLUMNS])
    _legend(figure, data, key, drawn, scattered=False)
    return figure


def _comparable(worst: xr.DataArray, reference: str) -> xr.DataArray:
    """Differences that are drawn: those of networks, and of predictions as far as they are nearly as large."""
    names = [str(name) for name in worst.source.values if name not in (reference, "descent")]
    shown = worst.sel(source=names)
    if "network" not in names:
        return shown
    least = float(worst.sel(source="network").min()) / VISIBLE_BELOW
    return shown.where(shown >= least).dropna("source", how="all")


def _along(values: xr.DataArray, key: str) -> FloatArray:
    """Values along a key, of other keys the only one."""
    return np.asarray(values.transpose(key, ...).values.reshape(values.sizes[key], -1)[:, 0])


def _positions(data: xr.Dataset, key: str) -> FloatArray:
    values = data[key].values
    numeric = np.issubdtype(values.dtype, np.number)
    return np.asarray(values if numeric else np.arange(len(values)), dtype=np.float64)


def _colour(data: xr.Dataset, key: str, source: str, choice: Choice) -> str:
    return choice.colour if len(choices(data, key)) > 1 else source_styles([source])[source].colour


def _draw(ax: Axes, data: xr.Dataset, key: str, values: FloatArray, source: str, choice: Choice) -> None:
    positions = _positions(data, key)
    order, strokes = np.argsort(positions), dict(source_styles([source])[source].strokes)
    if source == "network":
        strokes |= {"ls": "-", "lw": 0.8}
    elif len(values) == 1 or np.count_nonzero(np.isfinite(values)) == 1:
        strokes |= {"marker": "_", "ms": 14}
    shown = np.where(np.isfinite(values), values, np.nan)
    ax.plot(positions[order], shown[order], color=_colour(data, key, source, choice), **strokes)


def _finish(ax: Axes, data: xr.Dataset, key: str, quantity: str, title: str, first: bool) -> None:
    positions = _positions(data, key)
    numeric = np.issubdtype(data[key].dtype, np.number)
    low, high = float(positions.min()), float(positions.max())
    if numeric and low > 0 and high / low >= WIDE_RANGE:
        ax.set_xscale("log")
        margin = (high / low) ** 0.06
        ax.set_xlim(low / margin, high * margin)
    else:
        margin = 0.06 * (high - low or 1)
        ax.set_xlim(low - margin, high + margin)
    ticks = positions if len(positions) <= 8 else positions[:: -(-len(positions) // 8)]
    names = {float(p): label(data, key, i) for i, p in enumerate(positions)}
    ax.xaxis.set_major_locator(FixedLocator(sorted(ticks)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: plain(x) if numeric else names.get(float(x), "")))
    ax.set_title(title, fontsize=10, loc="left")
    log_axis(ax)
    tidy(ax, key, quantity if first else "")


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    columns = min(count, COLUMNS)
    rows = -(-count // columns)
    figure = new_figure(0.8 + 3.0 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in axes[count:]:
        spare.set_visible(False)
    return figure, list(axes[:count])


def _legend(figure: Figure, data: xr.Dataset, key: str, drawn: list[str], scattered: bool) -> None:
    several = choices(data, key)
    handles = []
    for source, style in source_styles(drawn).items():
        strokes = dict(style.strokes) | ({"ls": "-", "lw": 0.8} if source == "network" else {})
        colour = GREY if len(several) > 1 else style.colour
        handles.append(Line2D([], [], color=colour, label=style.label, **strokes))
    if scattered:
        handles.append(Line2D([], [], ls="none", marker=".", color=GREY, label="single networks", **SINGLE))
    if len(several) > 1:
        handles += [Line2D([], [], color=c.colour, lw=4, label=c.label) for c in several]
    figure.legend(handles=handles, loc="outside upper left", ncols=3, frameon=False, fontsize=9)
