"""The page of a recommendation: what to do, in a sentence, a table and two pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fefreq.initialisation.scale.recommendation import Recommendation
from fefreq.support.arrays import FloatArray
from fefreq.support.files import write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

HEAD = ("family", "scale", "per side", "held out (dB)", "trained (dB)", "stop at t", "against best (dB)")
BEST = "best"
LONGEST_SHOWN = 100.0  # dB: beyond, trained samples are simply fitted


def write_report(
    advice: Recommendation, path: Path, name: str, warned: Sequence[str] = (), curves: bytes | None = None
) -> Path:
    """Write a page that needs no other file, atomically.

    Parameters
    ----------
    advice : Recommendation
    path : path
        Does not exist yet.
    name : str
        Of the data.
    warned : sequence of str
        What the page has to warn of.
    curves : bytes, optional
        The picture of :meth:`Recommendation.plot` as PNG, if it was drawn already.

    Raises
    ------
    FileExistsError
        If the file exists.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("fefreq.output"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    image = advice.plot_image()
    head, *body = rows(advice)
    page = environment.get_template("recommendation.html").render(
        title=f"Fourier features for {name}",
        answer=answer(advice),
        flatness=flatness(advice),
        warnings=warned,
        curves=_embedded(png(advice.plot()) if curves is None else curves),
        image=None if image is None else _embedded(png(image)),
        trained=f"{advice.split.count:,}",
        head=head,
        rows=[{"best": row[-1] == BEST, "cells": row} for row in body],
        facts=facts(advice),
        code=code(advice),
    )
    return write_text(path, page)


def answer(advice: Recommendation) -> str:
    """The recommendation in a sentence."""
    best = advice.best
    return (
        f"Draw the frequencies from the {best.family} density of scale {best.scale:g} cycles per unit length "
        f"({best.scale * advice.table.attrs['longest_side']:.3g} per longest side): {best.psnr:.1f} dB on held-out "
        "samples."
    )


def flatness(advice: Recommendation) -> str:
    """How much depends on the choice, and whether to look farther; nothing of a single scale."""
    best, scales = advice.best, advice.scales
    if len(scales) == 1:
        return ""
    held = advice.table.heldout_psnr.sel(family=best.family).values[:, -1]
    sentences = [_spread(advice, held)]
    if best.scale == scales[0]:
        sentences.append("It is the smallest that was tried: try smaller ones.")
    if np.argmax(held) == len(scales) - 1:
        which = "It" if best.scale == scales[-1] else "The scale of the largest PSNR"
        sentences.append(
            f"{which} is the largest that was tried: try larger ones, if the samples resolve them."
        )
    return " ".join(sentences)


def _spread(advice: Recommendation, held: FloatArray) -> str:
    best, scales = advice.best, advice.scales
    low, high = best.nearly_as_good
    if low == high:
        return "No other of the scales comes within 0.5 dB of it."
    worst = scales[int(np.argmin(held))]
    between = f"Scales from {low:g} to {high:g} come within 0.5 dB of the largest, and of these the smallest is taken"
    return f"{between}; the worst, {worst:g}, loses {best.psnr - float(held.min()):.1f} dB."


def rows(advice: Recommendation) -> list[tuple[str, ...]]:
    """The table as text, its head first."""
    table, longest = advice.table, advice.table.attrs["longest_side"]
    found: list[tuple[str, ...]] = [HEAD]
    for family in advice.families:
        for scale in advice.scales:
            cell = table.sel(family=family, scale=scale)
            train, held = float(cell.train_psnr[-1]), float(cell.heldout_psnr[-1])
            stop = float(cell.early_stopping_time)
            best = (family, scale) == (advice.best.family, advice.best.scale)
            found.append(
                (
                    family,
                    f"{scale:g}",
                    f"{scale * longest:.3g}",
                    f"{held:.1f}",
                    f"{train:.1f}" if train < LONGEST_SHOWN else "fitted",
                    "the end" if stop == float(table.time[-1]) else f"{stop:.3g}",
                    BEST if best else f"{held - advice.best.psnr:+.1f}",
                )
            )
    return found


def rich_table(advice: Recommendation) -> Table:
    """The table for a terminal."""
    from rich.table import Table

    head, *body = rows(advice)
    table = Table(box=None, pad_edge=False)
    for column, title in enumerate(head):
        table.add_column(title, justify="left" if column == 0 else "right")
    for row in body:
        table.add_row(*row, style="bold" if row[-1] == BEST else None)
    return table


def facts(advice: Recommendation) -> list[str]:
    """How the recommendation was made, a line each."""
    attrs, split = advice.table.attrs, advice.split
    where = "scattered" if split.grid is None else " × ".join(map(str, split.grid.shape))
    return [
        f"Data: {where}; {split.count:,} samples trained on, {len(split.points):,} held out.",
        f"Network: {attrs['hidden_layers']} hidden layer(s) of {attrs['activation']} units on frozen Fourier features, "
        "infinitely wide.",
        f"Errors are those at training time {float(advice.table.time[-1]):.4g}; the signal-to-noise ratio counts "
        f"{attrs['peak']:.4g} as the peak, the range of the data.",
        f"The trained samples resolve {attrs['resolution']:.4g} cycles per unit length; the longest side of the box is "
        f"{attrs['longest_side']:.4g}.",
        f"Computed in {attrs['seconds']:.1f} s.",
    ]


def code(advice: Recommendation) -> str:
    """Lines of Python that draw frequencies from the best density."""
    return (
        "import numpy as np\nimport fefreq\n\n"
        f"density = fefreq.{advice.density!r}\n"
        "frequencies = density.sample(256, np.random.default_rng(0))  # cycles per unit length, one per row\n"
        "features = lambda x: np.concatenate([f(2 * np.pi * x @ frequencies.T) for f in (np.cos, np.sin)], axis=1)"
    )


def png(figure: Figure) -> bytes:
    """A figure as PNG."""
    from fefreq.output.plots.axes import DPI

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def _embedded(picture: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(picture).decode("ascii")
