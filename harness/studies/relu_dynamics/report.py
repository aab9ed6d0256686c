"""What a study of ReLU networks shows: sections of pictures, tables, and sentences with the numbers in them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fefreq.fields.coordinates import frequency_dimension
from harness.comparison.checks import judge_all
from harness.relu.recording import Recording, times_measured
from harness.reports.page import Picture, Section, Table
from harness.studies.relu_dynamics import pictures, region_pictures
from harness.studies.relu_dynamics.numbers import short, told
from harness.studies.relu_dynamics.readings import READINGS, Quantity, reading

if TYPE_CHECKING:
    from harness.studies.relu_dynamics.file import ReluDynamicsFile

# Rows of the table of endings, where they were measured.
ENDINGS: tuple[Quantity, ...] = (
    "mean-squared-error",
    "psnr-training",
    "psnr-validation",
    "psnr-test",
    "hamming-local",
    "hamming-global",
    "alignment-local",
    "alignment-global",
    "confused-local",
    "confused-global",
    "cosine-spread-global",
    "distinct-patterns",
    "regions",
    "region-width",
    "dead-units",
    "lipschitz-bound",
    "in-sphere-radius",
)


def sections(
    study: ReluDynamicsFile, recordings: dict[str, Recording], data: xr.Dataset, cautions: tuple[str, ...]
) -> tuple[Section, ...]:
    """The report of a study, in order."""
    shown = [_overview(study, data, cautions), _dynamics(data)]
    if next(iter(recordings.values())).target.dim == 2:
        shown.append(_maps(recordings, data))
    elif next(iter(recordings.values())).target.dim == 1:
        shown.append(_strips(recordings, data))
    if {"hamming", "alignment"} <= set(data.data_vars):
        shown.append(_distributions(data))
    if {"spectral_norm", "hyperplane_cosine"} <= set(data.data_vars):
        shown.append(_weights(data))
    if study.expected:
        shown.append(_expected(study, data))
    return tuple(shown)


def _overview(study: ReluDynamicsFile, data: xr.Dataset, cautions: tuple[str, ...]) -> Section:
    names, dim = _names(data), frequency_dimension(data)
    training = study.training
    batches = "full batches" if training.batch is None else f"batches of {training.batch:,}"
    steps = "Adam" if training.optimiser == "adam" else "gradient descent"
    text = (
        f"Networks of {study.network.hidden_layers} hidden layers of {study.network.width} ReLU units learn "
        f"{data.attrs['trained_samples']:,} samples in {training.epochs:,} epochs of {steps} "
        f"({batches}, learning rate {training.learning_rate:g}); {training.seeds} for each of "
        f"{len(names)} conditions. "
        + " ".join(f"{name}: {study.conditions[name].words(dim)}." for name in names)
        + "".join(f" Warning: {caution}." for caution in cautions)
    )
    rows = [
        (_row_name(data, quantity), *(told(reading(data, quantity, name)) for name in names))
        for quantity in ENDINGS
        if READINGS[quantity].variable in data
    ]
    caption = (
        "At the end of training, if no epoch is named: the mean over the networks, and their smallest and largest. "
        f"Patterns are counted on {data.attrs['samples']:,} samples, which the count cannot exceed; lengths are those "
        "of the data, but in-spheres are measured in network-input space."
    )
    return Section("What was trained", text, tables=[Table(caption, ("", *names), rows, title="Endings")])


def _dynamics(data: xr.Dataset) -> Section:
    picture = Picture(
        "dynamics",
        "Error spectrum and diagnostics over the epochs",
        "A column for each condition, one axis of time for all rows. Top: modulus of the error spectrum. Below: "
        "local pairs solid, global pairs dashed. Lines are means over networks, bands the range of all.",
        " ".join(
            filter(None, (_spectrum(data), _hamming(data), _alignment(data), _regions(data), _dead(data)))
        ),
        lambda: pictures.dynamics_figure(data),
    )
    return Section("Dynamics beside the spectrum", pictures=[picture])


def _strips(recordings: dict[str, Recording], data: xr.Dataset) -> Section:
    first = next(iter(recordings.values()))
    last = first.epochs[-1]
    lower, upper = (float(corner[0]) for corner in first.box)
    window = (lower + 0.4 * (upper - lower), lower + 0.6 * (upper - lower))
    finding = ""
    if "regions" in data:
        counts = [f"{_mean(data, 'regions', name)} ({name})" for name in recordings]
        finding = (
            f"Along all of the data there are {_last(data, 'regions')} {series(counts)} regions: exact on coordinates; "
            "behind an encoding along fine chords. A network is affine in its input between two boundaries; on plain "
            "coordinates it cannot bend inside a region."
        )
    picture = Picture(
        "strips",
        "What was learned, and the regions it is made of",
        f"A fifth of the data after {last} epochs, the first network of each condition; the strip below has a colour "
        "for each activation pattern, and beside it stands how many there are in the window (at 4,001 points).",
        finding,
        cache(lambda: region_pictures.strips_figure(recordings, last, window)),
    )
    return Section("Regions and the learned function", pictures=[picture])


def _maps(recordings: dict[str, Recording], data: xr.Dataset) -> Section:
    first = next(iter(recordings.values()))
    epochs = (first.epochs[0], first.epochs[-1]) if len(first.epochs) > 2 else first.epochs
    finding = ""
    if "distinct_patterns" in data:
        told_counts = [f"{_mean(data, 'distinct-patterns', name)} ({name})" for name in recordings]
        finding = (
            f"The {data.attrs['samples']:,} samples have {_last(data, 'distinct_patterns')} {series(told_counts)} "
            "different patterns: where that is nearly their number, almost every pixel is in a region of its own."
        )
    picture = Picture(
        "region-maps",
        "Activation regions over the plane",
        "Left: what the first network of each condition has learned. Then its regions in random colours after some "
        "epochs, and on the right the middle of the plane enlarged; each at 256 × 256 points, with the number of "
        "different patterns among them.",
        finding,
        cache(lambda: region_pictures.region_maps_figure(recordings, epochs)),
    )
    return Section("Regions over the plane", pictures=[picture])


def _distributions(data: xr.Dataset) -> Section:
    sentences = []
    for name in _names(data):
        local, far = (reading(data, f"confused-{place}", name).mean() for place in ("local", "global"))  # type: ignore[arg-type]
        sentences.append(f"{name}: {percent(local)} of local and {percent(far)} of global pairs")
    finding = (
        f"Gradients oppose each other (negative cosine) {_last(data, 'confused')} for {'; '.join(sentences)}. "
        + _spread_sentence(data)
        + _encoded_sentence(data)
    )
    picture = Picture(
        "distributions",
        "Hamming distances and cosines, local and global",
        "All networks of a condition together. Top: share of pairs whose patterns differ in at most so many units, "
        f"{_last(data, 'hamming')}. Bottom: how cosines between loss gradients are spread {_last(data, 'confused')}, "
        "on a logarithmic axis.",
        finding,
        lambda: pictures.distributions_figure(data),
    )
    return Section("Distributions", pictures=[picture])


def _weights(data: xr.Dataset) -> Section:
    bounds, turns, layers = [], [], data.sizes["layer"]
    # On one coordinate the hyperplanes of layer 1 are all parallel, in every network.
    deep = "" if layers == 1 else "layer 2" if layers == 2 else f"layers 2 to {layers}"
    for name in _names(data):
        bound = data.lipschitz_bound.sel(condition=name).dropna("time").mean("seed").values
        bounds.append(f"from {short(bound[0])} to {short(bound[-1])} ({name})")
        cosines = data.hyperplane_cosine.sel(condition=name).dropna("time").mean("seed").values
        if deep:
            deeper = ", ".join(f"{c:.2g}" for c in cosines[-1, 1:])
            turns.append(
                f"{deeper} ({name}; {cosines[0, 1:].mean():.2g} {_first(data, 'hyperplane_cosine')})"
            )
    finding = (
        f"The product of all norms, a Lipschitz bound in network-input space, goes {series(bounds)}"
        f"{_span(data, 'lipschitz_bound')}."
    )
    if deep:
        when = _last(data, "hyperplane_cosine")
        finding += f" The mean |cos| between hyperplanes of {deep} is {when} {series(turns)}."
    picture = Picture(
        "weights",
        "Norms and hyperplanes of the layers",
        "Top: largest singular value of every layer. Bottom: mean modulus of the cosine between the weight rows of one "
        "hidden layer; on one coordinate those of layer 1 are all parallel.",
        finding,
        lambda: pictures.weights_figure(data),
    )
    return Section("Weights", pictures=[picture])


def _expected(study: ReluDynamicsFile, data: xr.Dataset) -> Section:
    verdicts = judge_all(study.expected, data)
    met = sum(verdict.passed for verdict in verdicts)
    rows = [(v.name, v.allowed, v.measured, "met" if v.passed else "NOT MET") for v in verdicts]
    missed = [f"{v.name}: {v.measured}, expected {v.allowed}" for v in verdicts if not v.passed]
    text = (
        f"Of the {len(verdicts)} statements below, which others have found in the manner of arXiv 2301.05816, the mean "
        f"over the networks trained here meets {met}. They are reported and not insisted on: one network differs from "
        "the next." + (f" Not met: {'; '.join(missed)}." if missed else "")
    )
    table = Table(
        "Mean over the networks, and the smallest and largest of them.",
        ("", "expected", "measured", ""),
        rows,
    )
    return Section("Expected numbers", text, tables=[table])


def _spectrum(data: xr.Dataset) -> str:
    parts = []
    for name in _names(data):
        squares = (np.abs(data.error.sel(condition=name)) ** 2).sum(
            [d for d in data.error.dims if d in ("frequency", "channel")]
        )
        left = np.sqrt(squares.isel(time=-1) / squares.isel(time=0)).mean()
        parts.append(f"{percent(float(left))} ({name})")
    return f"Of the error (L2 norm over the frequencies shown) there is left at the end {series(parts)}."


def _hamming(data: xr.Dataset) -> str:
    if "hamming" not in data:
        return ""
    parts = [
        f"{_mean(data, 'hamming-local', name)} and {_mean(data, 'hamming-global', name)} ({name})"
        for name in _names(data)
    ]
    units = data.attrs["hidden_units"]
    when = _last(data, "hamming")
    return (
        f"The mean Hamming distances of local and global pairs are {when} {series(parts)} of {units} units."
    )


def _alignment(data: xr.Dataset) -> str:
    if "alignment" not in data:
        return ""
    parts = [
        f"{_mean(data, 'alignment-local', name)} and {_mean(data, 'alignment-global', name)} ({name})"
        for name in _names(data)
    ]
    return (
        f"The mean |cos| of local and global gradients is {_last(data, 'alignment')} {series(parts)}; near 1, samples "
        "cannot be learned one without the other."
    )


def _regions(data: xr.Dataset) -> str:
    if "region_width" not in data:
        return ""
    parts = []
    for name in _names(data):
        width = data.region_width.sel(condition=name).dropna("time").mean("seed").values
        parts.append(f"from {width[0]:.2g} to {width[-1]:.2g} ({name})")
    return (
        f"The mean distance of a sample to the nearest boundary goes {series(parts)}, in lengths of the data"
        f"{_span(data, 'region_width')}."
    )


def _dead(data: xr.Dataset) -> str:
    if "dead_units" not in data:
        return ""
    parts = []
    for name in _names(data):
        dead = (
            data.dead_units.sel(condition=name).sum("layer", skipna=False).dropna("time").mean("seed").values
        )
        parts.append(f"{dead[0]:.3g} to {dead[-1]:.3g} ({name})")
    return f"Dead units go from {series(parts)} of {data.attrs['hidden_units']}{_span(data, 'dead_units')}."


def _spread_sentence(data: xr.Dataset) -> str:
    parts = [f"{_mean(data, 'cosine-spread-global', name)} ({name})" for name in _names(data)]
    return f"The standard deviation of the cosine over global pairs is {series(parts)}."


def _encoded_sentence(data: xr.Dataset) -> str:
    parts = []
    for name in _names(data):
        local, far = data.encoding_distance.sel(condition=name).values
        parts.append(f"{short(local)} and {short(far)} ({name})")
    return f" In network-input space local and global pairs lie on average {series(parts)} apart."


def _mean(data: xr.Dataset, quantity: Quantity, name: str) -> str:
    """Mean over the networks, in sentences; tables have the range too."""
    return short(float(reading(data, quantity, name).mean()))


def _row_name(data: xr.Dataset, quantity: Quantity) -> str:
    """What a row of the table of endings is called, with the epoch if that is not the last."""
    found = READINGS[quantity]
    words = found.words[:1].upper() + found.words[1:]
    if "time" not in data[found.variable].dims or _last(data, found.variable) == "at the end":
        return words
    return f"{words}, {_last(data, found.variable)}"


def _first(data: xr.Dataset, variable: str) -> str:
    """When a variable was measured first, in words."""
    epoch = int(data.epoch.values[times_measured(data, variable)[0]])
    return "at the start" if epoch == 0 else f"after epoch {epoch:,}"


def _last(data: xr.Dataset, variable: str) -> str:
    """When a variable was measured last, in words."""
    at = times_measured(data, variable)[-1]
    return "at the end" if at == data.sizes["time"] - 1 else f"after epoch {data.epoch.values[at]:,}"


def _span(data: xr.Dataset, variable: str) -> str:
    """Between which epochs a variable was measured, unless from the start to the end."""
    first, last = data.epoch.values[times_measured(data, variable)[[0, -1]]]
    whole = first == 0 and last == data.epoch.values[-1]
    return "" if whole else f" (epochs {first:,} to {last:,})"


def percent(share: float) -> str:
    """A share to two digits.

    >>> [percent(share) for share in (0.0057, 0.612, 0.998)]
    ['0.57 %', '61 %', '100 %']
    """
    return f"{100 * share:.0f} %" if share >= 0.0995 else f"{100 * share:.2g} %"


def series(parts: Sequence[str]) -> str:
    """Several parts of a sentence.

    >>> series(["a", "b", "c"])
    'a, b and c'
    """
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _names(data: xr.Dataset) -> list[str]:
    return [str(name) for name in data.condition.values]
