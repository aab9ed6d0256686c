"""What a comparison shows, in sentences and tables with the numbers in them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

import numpy as np

from fefreq.output.plots.axes import source_styles
from fefreq.output.plots.profiles import NOISY, profiles
from fefreq.support.arrays import FloatArray
from harness.comparison.tones import tone_name
from harness.studies.comparison.case import Case
from harness.studies.comparison.check import ComparisonCheck
from harness.studies.comparison.field_checks import FieldCheck

Row = tuple[str, ...]


def source_label(name: str) -> str:
    """What a source is called in running text.

    >>> source_label("pde")
    'diffusion equation'
    """
    return source_styles([name])[name].label


def remaining(case: Case) -> str:
    """How much of the error every source leaves at the last time."""
    data = case.comparison
    norms = np.sqrt((np.abs(data.error) ** 2).sum(list(data.error.dims[2:])))
    shares = norms.isel(time=-1) / norms.sel(source=data.attrs["reference"]).isel(time=0)
    said = [
        f"{100 * float(shares.sel(source=name)):.3g} % in the {source_label(name)}" for name in _names(case)
    ]
    last = float(data.time[-1])
    return (
        f"Of the initial error (L2 norm over frequencies) there is left at t = {last:.4g}: {_series(said)}."
    )


def largest_difference(case: Case) -> str:
    """Where the sources differ most from the reference."""
    shown = profiles(case.comparison)
    sentences = []
    for name in shown.others:
        difference = shown.differences[shown.sources.index(name)]
        t, k = np.unravel_index(int(np.argmax(difference)), difference.shape)
        place = "at a radius of" if shown.radial else "at"
        sentences.append(
            f"The {source_label(name)} and the {source_label(shown.reference)} differ by at most "
            f"{_percent(difference[t, k] / shown.largest)} of the largest initial modulus, {place} "
            f"{shown.frequencies[k]:.3g} cycles and t = {shown.times[t]:.3g}."
        )
    return " ".join(sentences)


def agreement(case: Case) -> str:
    """How closely the field of every source follows the reference, and how closely its members do."""
    data = case.comparison
    sentences = []
    for name in _others(case):
        difference = data.difference.sel(source=name).values
        at = int(np.argmax(difference))
        sentence = (
            f"The field of the {source_label(name)} stays within {_percent(difference[at])} of the initial "
            f"error (largest at t = {data.time.values[at]:.3g})"
        )
        members = _members(case, name)
        if len(members):
            sentence += f"; single seeds stay within {_percent(float(np.max(members)))}"
        sentences.append(sentence + ".")
    return " ".join(sentences)


def split(case: Case) -> str:
    """The largest size of every part of the difference."""
    parts = [
        f"{name} {_percent(float(np.max(case.split.part.sel(name=name).values)))}"
        for name in (str(n) for n in case.split.name.values)
    ]
    total = _percent(float(np.max(case.split.total.values)))
    return f"At its largest, each relative to the initial error: {', '.join(parts)}; together {total}."


def half_lives(case: Case) -> str:
    """Predicted and measured half-lives of the tones or, without tones, how well they agree altogether."""
    tones = case.tones
    if not tones.sizes["frequency"]:
        return _overall_half_lives(case)
    sentences = []
    for index in range(tones.sizes["frequency"]):
        said = [f"{_told(name)} {life_cell(case, name, index)}" for name in _names(case)]
        sentences.append(f"The half-life of {tone_name(case.tones, index)} is {_series(said)}.")
    return " ".join(sentences).replace("> ", "more than ")


def tone_table(case: Case) -> tuple[Row, list[Row]]:
    """Head and rows of a table: half-lives of the tones by source, and differences from the reference."""
    names, reference = _names(case), str(case.comparison.attrs["reference"])
    head = ["tone", *(source_label(name) for name in names)]
    head += [f"{source_label(name)}, difference" for name in _others(case)]
    rows = []
    for index in range(case.tones.sizes["frequency"]):
        lives = {name: float(case.tones.half_life.sel(source=name)[index]) for name in names}
        gaps = [lives[name] / lives[reference] - 1 for name in _others(case)]
        rows.append(
            (
                tone_name(case.tones, index),
                *(life_cell(case, name, index) for name in names),
                *(f"{100 * gap:+.2f} %" if np.isfinite(gap) else "–" for gap in gaps),
            )
        )
    return tuple(head), rows


def life_cell(case: Case, source: str, index: int) -> str:
    """A half-life in a table, or the time beyond which it lies."""
    life = float(case.tones.half_life.sel(source=source)[index])
    if np.isnan(life):
        return "–"
    return f"{life:.4g}" if np.isfinite(life) else f"> {float(case.tones.covered.sel(source=source)):.4g}"


def statistics(case: Case) -> list[Row]:
    """How prediction and networks were obtained: rows of a name and a value."""
    stats, run = case.solution.stats, case.run
    rows: list[Row] = [
        ("Model", textwrap.shorten(repr(case.model), 400)),
        ("Prediction", case.solution.result.value),
        ("Unknowns", f"{stats.unknowns:,}"),
        ("Factorisations, solves", f"{stats.factorisations:,}, {stats.solves:,}"),
        (
            "Largest estimated error in time",
            f"{float(np.max(stats.error_estimate)):.1e} of the initial field",
        ),
        ("Mesh", stats.mesh),
        ("Time for the prediction", f"{stats.seconds:.3g} s"),
    ]
    if run is None:
        return rows
    return [
        *rows,
        ("Networks", f"{run.seeds:,} of {run.width:,} neurons"),
        ("Learning rate, steps", f"{run.learning_rate:.4g}, {int(run.steps[-1]):,}"),
        ("Loss, first to last (mean)", f"{run.losses[:, 0].mean():.4g} to {run.losses[:, -1].mean():.4g}"),
        ("Method", f"{run.method}, {run.metadata.get('precision', '')}, {run.metadata.get('device', '')}"),
        ("Start", f"{run.metadata.get('start', '')}, random seed {run.metadata.get('seed', '')}"),
        ("Time for the training", f"{run.seconds:.3g} s"),
    ]


def limits(checks: Sequence[ComparisonCheck], case: Case) -> dict[str, float]:
    """Tolerances on the difference from the reference, by a name for the picture."""
    found = {}
    for check in checks:
        if isinstance(check, FieldCheck) and check.reference == case.comparison.attrs["reference"]:
            label = source_label(check.source)
            found[f"allowed for the {label}: {_percent(check.tolerance)}"] = check.tolerance
            if check.each_seed is not None:
                found[f"allowed for each of the {label}: {_percent(check.each_seed)}"] = check.each_seed
    return found


def _overall_half_lives(case: Case) -> str:
    shown = profiles(case.comparison)
    lives = dict(zip(shown.sources, shown.half_lives(NOISY), strict=True))
    expected = lives[shown.reference]
    sentences = []
    for name in shown.others:
        both = np.isfinite(expected) & np.isfinite(lives[name])
        what = f"that carry at least {_percent(NOISY)} of the largest initial modulus"
        if not both.any():
            sentences.append(f"No frequency {what} has a half-life inside the run.")
            continue
        gaps = np.abs(lives[name][both] / expected[both] - 1)
        sentences.append(
            f"At the {int(both.sum())} {'radii' if shown.radial else 'frequencies'} {what} and are half learned "
            f"inside the run, the half-life of the {source_label(name)} differs from that of the "
            f"{source_label(shown.reference)} by {_percent(float(np.median(gaps)))} in the median and "
            f"{_percent(float(np.max(gaps)))} at most."
        )
    return " ".join(sentences)


def _names(case: Case) -> list[str]:
    return [str(name) for name in case.comparison.source.values]


def _others(case: Case) -> list[str]:
    return [name for name in _names(case) if name != case.comparison.attrs["reference"]]


def _members(case: Case, name: str) -> FloatArray:
    if "member_difference" not in case.comparison:
        return np.empty((0, 0))
    return np.asarray(case.comparison.member_difference.sel(source=name).dropna("seed", how="all").values)


def _told(name: str) -> str:
    told = {"pde": "predicted as", "network": "measured as"}
    return told.get(name, f"found by the {source_label(name)} as")


def _series(parts: Iterable[str]) -> str:
    """Several parts of a sentence.

    >>> _series(["a", "b", "c"]), _series(["a"])
    ('a, b and c', 'a')
    """
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _percent(share: float) -> str:
    """A share to two digits.

    >>> [_percent(share) for share in (0.0057, 0.02, 0.612, 1.2e-7)]
    ['0.57 %', '2 %', '61 %', '1.2e-05 %']
    """
    return f"{100 * share:.2g} %" if share < 1 else f"{100 * share:.0f} %"
