"""What ReLU networks beside Fourier features show: sections of pictures, tables and sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from harness.reports.page import Picture, Section, Table
from harness.studies.relu_dynamics import field_pictures, pictures
from harness.studies.relu_dynamics.numbers import cycles
from harness.studies.relu_dynamics.report import percent, series

if TYPE_CHECKING:
    from harness.studies.relu_vs_fourier_features.file import ReluVsFourierFeaturesFile

LABELS = {"pde": "prediction for Fourier features", "network": "Fourier features, measured"}


def sections(
    study: ReluVsFourierFeaturesFile,
    comparison: xr.Dataset,
    tones: xr.Dataset,
    dynamics: xr.Dataset,
    cautions: tuple[str, ...],
) -> tuple[Section, ...]:
    """The report, in order."""
    named = comparison.assign_coords(source=[label(study, name) for name in comparison.source.values])
    named.attrs["reference"] = label(study, comparison.attrs["reference"])
    return (
        _overview(study, comparison, tones, cautions),
        Section("Error fields", pictures=_field_pictures(study, comparison, tones, named)),
        _inside(dynamics),
    )


def label(study: ReluVsFourierFeaturesFile, source: object) -> str:
    """What a source is called in tables and pictures."""
    return LABELS.get(str(source), f"ReLU, {source}")


def _overview(
    study: ReluVsFourierFeaturesFile, comparison: xr.Dataset, tones: xr.Dataset, cautions: tuple[str, ...]
) -> Section:
    said = [f"{name}: {condition.words(1)}" for name, condition in study.conditions.items()]
    gap = float(comparison.difference.sel(source="network").max())
    text = (
        "All networks learn the same data by full-batch gradient descent with one meaning of training time. The "
        f"two-layer networks on Fourier features stay within {percent(gap)} of the diffusion equation, relative to the "
        "initial error. The equation says nothing about ReLU networks, and nothing of theirs is held against it. "
        f"{'; '.join(said)}." + "".join(f" Warning: {caution}." for caution in cautions)
    )
    head = ("", *(cycles(xi) for xi in tones.frequency.values), "fastest over slowest")
    rows = []
    for source in (str(name) for name in tones.source.values):
        lives = tones.half_life.sel(source=source).values
        covered = float(tones.covered.sel(source=source))
        rows.append(
            (
                label(study, source),
                *(_life(life, covered) for life in lives),
                _ratio(lives[-1], lives[0], covered),
            )
        )
    left = [
        (label(study, name), *(percent(float(share)) for share in tones.left.sel(source=name).values))
        for name in tones.source.values
    ]
    return Section(
        "What was learned when",
        text,
        tables=[
            Table("Training time until half of the error at a tone is left.", head, rows, title="Half-lives"),
            Table(
                "Share of the initial error at a tone that is left at the end.",
                head[:-1],
                left,
                title="Left over",
            ),
        ],
    )


def _field_pictures(
    study: ReluVsFourierFeaturesFile, comparison: xr.Dataset, tones: xr.Dataset, named: xr.Dataset
) -> list[Picture]:
    names = [str(name) for name in tones.source.values]
    lives = []
    for name in names:
        pair = tones.half_life.sel(source=name).values[[0, -1]]
        covered = float(tones.covered.sel(source=name))
        lives.append(f"{_life(pair[0], covered)} and {_life(pair[1], covered)} ({label(study, name)})")
    slow, fast = tones.frequency.values[[0, -1]]
    over_all = [
        f"{percent(float(comparison.remaining.sel(source=n)[-1]))} ({label(study, n)})" for n in names
    ]
    return [
        Picture(
            "maps",
            "Error over frequency and time",
            "The prediction and all measured fields on one logarithmic colour scale; time is linear up to the first "
            "time after 0.",
            f"Of the initial error there is left at the end {series(over_all)}.",
            lambda: field_pictures.fields_figure(named),
        ),
        Picture(
            "half-lives",
            "Half-life against frequency",
            "Training time until half of the error at a frequency is left. Points are missing where the initial "
            "modulus is below 5 % of the largest, and where more than half is left at the end.",
            f"The half-lives of {slow:g} and {cycles(fast)} are {series(lives)}.",
            lambda: field_pictures.half_lives_figure(named, LABELS["pde"], LABELS["network"]),
        ),
    ]


def _inside(dynamics: xr.Dataset) -> Section:
    parts = []
    for name in (str(n) for n in dynamics.condition.values):
        chosen = dynamics.sel(condition=name, pairs="local").mean("seed")
        parts.append(
            f"{name}: from {float(chosen.alignment[0]):.2f} to {float(chosen.alignment[-1]):.2f}, with Hamming "
            f"distances from {float(chosen.hamming[0]):.3g} to {float(chosen.hamming[-1]):.3g}"
        )
    picture = Picture(
        "dynamics",
        "Regions and gradients beside the error spectrum",
        "A column for each condition of the ReLU networks, one axis of training time for all rows. Top: modulus of the "
        "error spectrum. Below: local pairs solid, global pairs dashed.",
        f"The mean |cos| between gradients of neighbouring samples goes {'; '.join(parts)}.",
        lambda: pictures.dynamics_figure(dynamics, over="time"),
    )
    return Section("ReLU networks from the inside", pictures=[picture])


def _ratio(fast: float, slow: float, covered: float) -> str:
    """Quotient of two half-lives; the first may lie beyond the end of the run, the second must not."""
    if not np.isfinite(slow):
        return "–"
    return f"{fast / slow:.3g}" if np.isfinite(fast) else f"> {covered / slow:.3g}"


def _life(life: float, covered: float) -> str:
    return f"{life:.3g}" if np.isfinite(life) else f"> {covered:.3g}"
