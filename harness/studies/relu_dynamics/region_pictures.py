"""Pictures of activation regions: strips below functions of one coordinate, and maps over the plane.

Regions have random colours: neighbours differ, and a colour means nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fefreq.output.plots.axes import GREY, new_figure
from fefreq.support.arrays import FloatArray
from harness.relu.network import ReluNetwork
from harness.relu.pairs import IntArray
from harness.relu.patterns import activation_patterns
from harness.relu.recording import Recording


def strips_figure(
    recordings: Mapping[str, Recording], epoch: int, window: tuple[float, float], member: int = 0
) -> Figure:
    """What networks on one coordinate have learned, above the strip of their activation regions.

    Parameters
    ----------
    recordings : mapping of str to Recording
    epoch : int
        One of the snapshots.
    window : (float, float)
        Which part of the data is shown.
    member : int
        Which network.
    """
    figure = new_figure(0.6 + 1.75 * len(recordings))
    ratios = [4.0, 1.0] * len(recordings)
    grid = figure.subplots(2 * len(recordings), 1, sharex=True, height_ratios=ratios)
    positions = np.linspace(*window, 4001)
    for (name, recording), top, strip in zip(recordings.items(), grid[::2], grid[1::2], strict=True):
        network = ReluNetwork.of(recording.network(epoch, member))
        points = recording.seen(positions[:, None])
        x = recording.target.points[:, 0]
        shown = (x >= window[0]) & (x <= window[1])
        values = recording.target.values.reshape(len(x), -1)
        top.plot(x[shown], values[shown, 0], color="#9aa5ae", lw=1.2, label="data")
        top.plot(positions, network.outputs_at(points)[:, 0], color="#0072B2", lw=1.4, label="network")
        top.set_ylabel(name if values.shape[1] == 1 else f"{name}, channel 1", fontsize=9)
        top.spines[["top", "right", "bottom"]].set_visible(False)
        top.tick_params(bottom=False)
        labels = activation_patterns(network, points).labels()
        strip.imshow(
            random_colours(labels)[None], extent=(*window, 0, 1), aspect="auto", interpolation="nearest"
        )
        strip.set_yticks([])
        strip.set_ylabel(f"{labels.max() + 1}", rotation=0, ha="right", va="center", fontsize=9, color=GREY)
    grid[0].set_xlim(*window)
    grid[-1].set_xlabel("position in the data")
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False)
    return figure


def region_maps_figure(
    recordings: Mapping[str, Recording],
    epochs: Sequence[int],
    member: int = 0,
    resolution: int = 256,
    enlarged: int = 16,
) -> Figure:
    """Activation regions over the plane in random colours, a row for each condition, and what was learned.

    Parameters
    ----------
    recordings : mapping of str to Recording
        Of data in two dimensions.
    epochs : sequence of int
        Snapshots, a column each.
    member : int
        Which network.
    resolution : int
        Points along each edge at which patterns are evaluated.
    enlarged : int
        By how much the middle of the plane is enlarged in the last column.
    """
    columns = len(epochs) + 2
    figure = new_figure(0.3 + 9.0 * 1.02 * len(recordings) / columns)
    grid = figure.subplots(len(recordings), columns, squeeze=False)
    whole, middle = (0.0, 1.0), (0.5 - 0.5 / enlarged, 0.5 + 0.5 / enlarged)
    for axes, (name, recording) in zip(grid, recordings.items(), strict=True):
        last = recording.network(epochs[-1], member)
        outputs = ReluNetwork.of(last).outputs_at(_plane(recording, resolution, whole))
        channel = "" if outputs.shape[1] in (1, 3) else ", channel 1"
        image = _as_image(outputs, recording.target.values)
        _show(axes[0], image, f"learned by epoch {epochs[-1]}{channel}", _extent(recording, whole))
        panels = [(epoch, whole, f"epoch {epoch}") for epoch in epochs]
        panels.append((epochs[-1], middle, f"enlarged {enlarged} times"))
        for ax, (epoch, part, title) in zip(axes[1:], panels, strict=True):
            points = _plane(recording, resolution, part)
            labels = activation_patterns(recording.network(epoch, member), points).labels()
            count = f"{title}: {labels.max() + 1:,}"
            _show(ax, random_colours(labels), count, _extent(recording, part))
        axes[0].set_ylabel(name)
    return figure


def random_colours(labels: IntArray) -> FloatArray:
    """A colour for each label, ``(n, 3)``, always the same for the same label."""
    rng = np.random.default_rng(0)
    hue, saturation, value = rng.random((3, int(labels.max()) + 1))
    palette = mpl.colors.hsv_to_rgb(np.stack([hue, 0.25 + 0.5 * saturation, 0.45 + 0.5 * value], axis=-1))
    return np.asarray(palette[labels])


def _plane(recording: Recording, resolution: int, part: tuple[float, float]) -> FloatArray:
    """Points of a part of the plane, in the coordinates of the networks; ``part`` is in shares of a side."""
    lower, upper = recording.box
    shares = part[0] + (part[1] - part[0]) * (np.arange(resolution) + 0.5) / resolution
    plane = np.stack(np.meshgrid(shares, shares, indexing="ij"), axis=-1).reshape(-1, 2)
    return recording.seen(lower + plane * (upper - lower))


def _extent(recording: Recording, part: tuple[float, float]) -> tuple[float, float, float, float]:
    """Edges of a part of the plane in the data: left, right, lower, upper."""
    lower, upper = recording.box
    first, last = (lower + share * (upper - lower) for share in part)
    return float(first[0]), float(last[0]), float(first[1]), float(last[1])


def _show(ax: Axes, colours: FloatArray, title: str, extent: tuple[float, float, float, float]) -> None:
    """Colours ``(n², 3)`` of ``n`` points along each edge, the first coordinate to the right and the second upwards."""
    edge = math.isqrt(len(colours))
    image = colours.reshape(edge, edge, 3).transpose(1, 0, 2)
    ax.imshow(image, origin="lower", interpolation="nearest", extent=extent)
    ax.set_title(title, fontsize=9)
    ax.set_xticks([])
    ax.set_yticks([])


def _as_image(outputs: FloatArray, values: FloatArray) -> FloatArray:
    """Outputs ``(n, channels)`` as colours, or the first channel as greys, over the range of the data."""
    low, high = float(values.min()), float(values.max())
    scaled = np.clip((outputs - low) / ((high - low) or 1.0), 0, 1)
    return scaled if scaled.shape[1] == 3 else np.repeat(scaled[:, :1], 3, axis=1)
