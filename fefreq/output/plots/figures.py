r"""Pictures of error fields: spectra, frequency-time maps, differences and half-lives.

Every function returns a :class:`matplotlib.figure.Figure` of its own and leaves the state of pyplot alone, so it
works in notebooks, scripts and servers alike. Moduli are drawn over four decades below the largest initial one.
Colours of times and maps are perceptually uniform, and sources differ by line and marker, not by colour alone.

>>> import numpy as np, fefreq
>>> target = fefreq.Target.from_function(lambda x: np.exp(-8 * x[:, 0] ** 2), bounds=[(-1, 1)], shape=64)
>>> model = fefreq.FourierFeatures(fefreq.Gaussian(scale=2.0))
>>> solution = fefreq.FrequencyDiffusion(model, target).solve(times=[0, 1, 10, 100])
>>> figure = spectra_figure(solution, frequencies=np.linspace(0, 4, 81))
>>> [line.get_label() for line in figure.axes[0].lines]
['t = 0', 't = 1', 't = 10', 't = 100']
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike

from fefreq.fields.coordinates import frequency_points
from fefreq.fields.error_field import ErrorField
from fefreq.output.plots.axes import (
    DPI,
    GREY,
    TIME,
    WIDTH,
    add_colourbar,
    log_axis,
    moduli_norm,
    new_figure,
    note,
    source_handles,
    source_styles,
    tidy,
    time_axis,
    time_label,
)
from fefreq.output.plots.panels import (
    draw_coefficients,
    draw_half_lives,
    draw_image,
    draw_map,
    draw_spectra,
    draw_tones,
    frequency_label,
)
from fefreq.output.plots.profiles import as_dataset, plane, profiles

if TYPE_CHECKING:
    import xarray as xr

    from fefreq.models import Model
    from fefreq.targets.target import Target


def spectra_figure(
    data: xr.Dataset | ErrorField, frequencies: ArrayLike | None = None, count: int = 5
) -> Figure:
    """Error spectra ``|û(ξ, t)|`` at some times, all sources over one another, one colour for each time.

    Parameters
    ----------
    data : Dataset or ErrorField
        What :func:`harness.compare` or ``to_xarray`` returns, or a field that is then sampled.
    frequencies : array_like, shape (F, d), optional
        Where an error field is sampled, in cycles per unit length.
    count : int
        Number of times.
    """
    shown = profiles(data, frequencies)
    figure = new_figure(4.6)
    ax = figure.add_subplot()
    draw_spectra(ax, shown, count)
    if len(shown.sources) > 1:
        figure.legend(handles=source_handles(shown.sources), loc="outside upper left", ncols=3, frameon=False)
    figure.legend(
        *ax.get_legend_handles_labels(), loc="outside right upper", frameon=False, title="training time"
    )
    return figure


def image_figure(
    data: xr.Dataset | ErrorField, frequencies: ArrayLike | None = None, count: int = 5
) -> Figure:
    """Images of ``|û|`` over two-dimensional frequency, a row for each source, on one colour scale.

    Parameters
    ----------
    data, frequencies, count
        As for :func:`spectra_figure`; the frequencies form a grid in two dimensions.

    Raises
    ------
    ValueError
        If they do not.
    """
    data = as_dataset(data, frequencies)
    shown = profiles(data)
    first, second, moduli = plane(data)
    indices = shown.chosen_times(count)
    norm = moduli_norm(float(moduli[:, 0].max()))
    figure = new_figure(0.9 + len(shown.sources) * 0.72 * WIDTH / (len(indices) + 0.5))
    grid = figure.subplots(len(shown.sources), len(indices), sharex=True, sharey=True, squeeze=False)
    styles = source_styles(shown.sources)
    for source, axes, images in zip(shown.sources, grid, moduli[:, indices], strict=True):
        for ax, image in zip(axes, images, strict=True):
            mesh = draw_image(ax, first, second, image, norm)
        axes[0].set_ylabel(f"{styles[source].label}\nξ₂")
    for ax, index in zip(grid[0], indices, strict=True):
        ax.set_title(time_label(shown.times[index]), fontsize=10)
    figure.supxlabel("ξ₁ (both axes in cycles per unit length)", fontsize=10)
    add_colourbar(figure, mesh, grid.ravel().tolist())
    return figure


def map_figure(data: xr.Dataset | ErrorField, frequencies: ArrayLike | None = None) -> Figure:
    """Frequency-time maps of each source and of the differences from the reference, on one colour scale.

    Parameters
    ----------
    data, frequencies
        As for :func:`spectra_figure`.
    """
    shown = profiles(data, frequencies)
    styles = source_styles(shown.sources)
    panels = [(styles[name].label, shown.of(name)) for name in shown.sources]
    for name in shown.others:
        of = shown.differences[shown.sources.index(name)]
        panels.append((f"|{styles[name].label} − {styles[shown.reference].label}|", of))
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = new_figure(0.6 + 2.9 * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    norm = moduli_norm(shown.largest)
    for ax, (title, values) in zip(grid.ravel(), panels, strict=False):
        mesh = draw_map(ax, shown, values, norm)
        ax.set_title(title, fontsize=10)
    for ax in grid.ravel()[len(panels) :]:
        ax.remove()
    for ax in grid.ravel()[: len(panels)][-columns:]:
        ax.tick_params(labelbottom=True)
    figure.supxlabel(TIME, fontsize=10)
    figure.supylabel(frequency_label(shown), fontsize=10)
    add_colourbar(figure, mesh, grid.ravel()[: len(panels)].tolist())
    return figure


def difference_figure(data: xr.Dataset, limits: Mapping[str, float] | None = None) -> Figure:
    """Relative difference of each source from the reference against time, with its members as thin lines.

    Parameters
    ----------
    data : Dataset
        What :func:`harness.compare` returns.
    limits : mapping of str to float, optional
        Tolerances to draw, by name, relative to the initial error.
    """
    reference = str(data.attrs["reference"])
    others = [str(name) for name in data.source.values if name != reference]
    styles = source_styles([str(name) for name in data.source.values])
    times = np.asarray(data.time.values)
    figure = new_figure(3.9)
    ax = figure.add_subplot()
    for name in others:
        style = styles[name]
        label = style.label
        if "member_difference" in data:
            members = data.member_difference.sel(source=name).dropna("seed", how="all")
            for member in members.values:
                ax.plot(times, member, color=style.colour, lw=0.8, alpha=0.4)
            if members.sizes["seed"]:
                label = f"{label}: mean of {members.sizes['seed']} (thin lines: each)"
        line = style.line or "-"
        ax.plot(times, data.difference.sel(source=name), line, color=style.colour, lw=2.2, label=label)
    for at, (label, value) in enumerate((limits or {}).items()):
        ax.axhline(value, color=GREY, lw=1.2, ls=(0, (6, 3)) if at % 2 == 0 else (0, (2, 2)))
        note(ax, label, value)
    time_axis(ax, times)
    tidy(ax, TIME, f"difference from the {styles[reference].label},\nrelative to its initial error")
    top = max([float(data.difference.max()), *(limits or {}).values(), 1e-12])
    if "member_difference" in data:
        top = max(top, float(np.nanmax(data.member_difference.values)))
    ax.set_ylim(0, 1.15 * top)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    if others:
        figure.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=3, frameon=False)
    return figure


def half_life_figure(
    data: xr.Dataset | ErrorField,
    frequencies: ArrayLike | None = None,
    tones: xr.Dataset | None = None,
    forecast: ErrorField | None = None,
) -> Figure:
    """Half-life of the error against frequency, where the initial error stands out.

    Parameters
    ----------
    data, frequencies
        As for :func:`spectra_figure`.
    tones : Dataset, optional
        ``half_life`` (source, frequency) at single frequencies, which are marked and may reach further in time.
    forecast : ErrorField, optional
        The reference over a longer time, drawn in its place.
    """
    data = as_dataset(data, frequencies)
    shown = profiles(data)
    longer = None if forecast is None else profiles(forecast, frequency_points(data))
    figure = new_figure(4.4)
    ax = figure.add_subplot()
    draw_half_lives(ax, shown, longer)
    handles = source_handles(shown.sources, coloured=True)
    if tones is not None and tones.sizes["frequency"]:
        draw_tones(ax, tones, source_styles(shown.sources))
        handles.append(Line2D([], [], ls="none", marker="D", ms=8, mfc="none", color=GREY, label="tones"))
    log_axis(ax)
    if len(handles) > 1:
        figure.legend(handles=handles, loc="outside upper left", ncols=4, frameon=False)
    return figure


class PredictedField(ErrorField, Protocol):
    """A field that knows the model that it predicts and the data that are learned."""

    @property
    def model(self) -> Model:
        """What is trained."""

    @property
    def target(self) -> Target:
        """What is learned."""


def solution_figure(solution: PredictedField) -> Figure:
    """One prediction at a glance: spectra, frequency-time map, half-lives and coefficients.

    Parameters
    ----------
    solution : MeshSolution or another prediction
    """
    dim = solution.model.dim
    band = 1.25 * solution.target.bandwidth
    count = {1: 401, 2: 65}.get(dim, 25)
    axes = [np.linspace(0 if dim == 1 else -width, width, count) for width in band]
    frequencies = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, dim)
    data = as_dataset(solution, frequencies)
    shown = profiles(data)
    norm = moduli_norm(shown.largest)
    figure = new_figure(9.6 if dim == 2 else 7.4)
    outer = figure.add_gridspec(2, 1, height_ratios=[2, 7]) if dim == 2 else figure.add_gridspec(1, 1)
    if dim == 2:
        first, second, moduli = plane(data)
        norm = moduli_norm(float(moduli[0, 0].max()))
        indices = shown.chosen_times()
        places = outer[0].subgridspec(1, len(indices))
        for column, index in enumerate(indices):
            ax = figure.add_subplot(places[0, column])
            draw_image(ax, first, second, moduli[0, index], norm)
            ax.set_title(time_label(shown.times[index]), fontsize=10)
            ax.set_xlabel("ξ₁ (cycles per unit length)" if column == len(indices) // 2 else "ξ₁")
            ax.set_ylabel("ξ₂" if column == 0 else "")
    places = outer[-1].subgridspec(2, 2)
    spectra, over_time, lives, coefficients = panels = [
        figure.add_subplot(places[row, column]) for row in (0, 1) for column in (0, 1)
    ]
    draw_spectra(spectra, shown, count=5)
    # Room for the legend above the curves.
    spectra.set_ylim(top=20 * shown.largest)
    spectra.legend(
        frameon=False, fontsize=8.5, loc="upper center", ncols=3, handlelength=1.3, columnspacing=1.2
    )
    mesh = draw_map(over_time, shown, shown.moduli[0], norm)
    tidy(over_time, TIME, frequency_label(shown), grid=False)
    add_colourbar(figure, mesh, [over_time])
    draw_half_lives(lives, shown)
    log_axis(lives)
    draw_coefficients(coefficients, solution.model, shown.frequencies)
    titles = ("Error spectra", "Error over frequency and time", "Half-life of the error", "Coefficients")
    for ax, title in zip(panels, titles, strict=True):
        ax.set_title(title, fontsize=11, loc="left")
    return figure


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, atomically.

    Raises
    ------
    FileExistsError
        If the file exists.
    """
    from fefreq.support.files import atomic

    with atomic(Path(path)) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI)
    return Path(path)
