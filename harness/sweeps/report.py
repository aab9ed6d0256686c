"""The report of a sweep: agreement and half-lives against every swept key, and a table of all cells."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from harness.comparison.verdicts import Verdict
from harness.reports.page import Page, Picture, Section, Table
from harness.studies import Study
from harness.studies.comparison.sentences import source_label
from harness.sweeps import pictures
from harness.sweeps.cells import Cell, text


def report(
    data: xr.Dataset, study: Study, cells: list[Cell], reused: set[tuple[int, ...]], seconds: float
) -> Page:
    """The page of a sweep."""
    failed = int(np.count_nonzero(data.failure.values != ""))
    complete = Verdict(
        "every cell comes to its end", f"{len(cells) - failed} of {len(cells)}", f"{len(cells)}", failed == 0
    )
    keys = list(cells[0].values)
    drawn = [key for key in keys if data.sizes[key] > 1] or keys[:1]
    sections = [_section(data, key) for key in drawn] if "difference" in data else []
    if "passed" in data:
        sections.append(_checks(data, cells))
    return Page(
        title=f"{study.title}: sweep over {' and '.join(keys)}",
        question=study.question,
        verdicts=[complete],
        sections=[*sections, _all_cells(data, cells, reused)],
        seconds={"sweep": seconds},
        configuration=study.model_dump_json(indent=2, exclude_none=True),
    )


def _section(data: xr.Dataset, key: str) -> Section:
    reference = str(data.attrs["reference"])
    colours = _colours(data, key)
    where = "at each tone" if "tone_half_life" in data else "over all frequencies"
    difference = Picture(
        "difference",
        f"Distance from the {source_label(reference)}",
        f"Largest L2 difference from the {source_label(reference)} at any time, relative to its initial error, of "
        "the mean over seeds and of single networks. A prediction is drawn where it differs by at least a tenth of "
        f"what networks do.{colours}",
        _difference_finding(data, key),
        _drawn_once(pictures.difference_figure, data, key),
    )
    lives = Picture(
        "half-lives",
        "Half-lives",
        f"Training time until half of the error {where} is left; there is no point where more than half of it is "
        f"left at the end.{colours}",
        _half_life_finding(data, key),
        _drawn_once(pictures.half_life_figure, data, key),
    )
    return Section(f"Against {key}", pictures=[difference, lives], name=key.replace(".", "-"))


def _drawn_once(
    figure: Callable[[xr.Dataset, str], Figure], data: xr.Dataset, key: str
) -> Callable[[], Figure]:
    """Draws for the page and for the file; drawing takes longer than small cells do."""
    return functools.cache(functools.partial(figure, data, key))


def _colours(data: xr.Dataset, key: str) -> str:
    choices = int(np.prod([data.sizes[k] for k in pictures.swept_keys(data) if k != key]))
    if choices == 1:
        return ""
    shown = len(pictures.choices(data, key))
    of = f", of which there are {choices} and the first {shown} are drawn" if choices > shown else ""
    return f" A colour for each choice of the other keys{of}."


def _difference_finding(data: xr.Dataset, key: str) -> str:
    """How far the networks, or the last prediction, are from the reference at both ends of an axis."""
    names = [str(name) for name in data.source.values]
    source, reference = "network" if "network" in names else names[-1], str(data.attrs["reference"])
    worst = data.difference.sel(source=source).max("time", skipna=False).isel(model=0)
    what = f"the largest difference of the {source_label(source)} from the {source_label(reference)}"
    return _from_end_to_end(data, key, what, worst, lambda value: f"{100 * value:.2g} %")


def _half_life_finding(data: xr.Dataset, key: str) -> str:
    """Half-lives by the reference at both ends of an axis, and how far the networks are from them anywhere."""
    lives = pictures.half_lives(data)
    reference = str(data.attrs["reference"])
    expected = lives.sel(source=reference)
    sentences = []
    for tone in range(min(lives.sizes["tone"], 3)):
        name = f" of the tone of {pictures.tone_label(data, tone)}" if "tone_half_life" in data else ""
        what = f"by the {source_label(reference)} the half-life{name}"
        sentences.append(
            _from_end_to_end(data, key, what, expected.isel(model=0, tone=tone), lambda value: f"{value:.3g}")
        )
    if "network" in data.source.values:
        measured, predicted = lives.sel(source="network").values, expected.values
        known = np.isfinite(measured) & np.isfinite(predicted)  # infinite if not half learned in the end
        if known.any():
            worst = f"{100 * np.max(np.abs(measured[known] / predicted[known] - 1)):.2g} %"
            sentences.append(f"Half-lives of the networks differ from these by up to {worst} in all cells.")
    return " ".join(sentence for sentence in sentences if sentence)


def _from_end_to_end(
    data: xr.Dataset, key: str, what: str, values: xr.DataArray, told: Callable[[float], str]
) -> str:
    """A sentence on what a value does from one end of an axis to the other, for every choice that is drawn."""
    ends = {}
    for choice in pictures.choices(data, key):
        along = values.isel(choice.at).transpose(key, ...).values.reshape(data.sizes[key], -1)[:, 0]
        if np.isfinite(along[[0, -1]]).all():
            ends[choice.label] = told(float(along[0])), told(float(along[-1]))
    if not ends:
        return ""
    first, last = (pictures.label(data, key, i) for i in (0, data.sizes[key] - 1))
    if len(set(ends.values())) == 1:  # what the other keys do not change is said once
        ends = {"": next(iter(ends.values()))}
    named = {f" ({label})" if label else "": pair for label, pair in ends.items()}
    if all(a == b for a, b in ends.values()):
        said = ", ".join(f"{a}{label}" for label, (a, _) in named.items())
        return f"{what[0].upper()}{what[1:]} does not depend on {key}: {said}."
    said = ", ".join(f"{a} to {b}{label}" for label, (a, b) in named.items())
    return f"From {key} = {first} to {last}, {what} goes from {said}."


def _checks(data: xr.Dataset, cells: list[Cell]) -> Section:
    keys = list(cells[0].values)
    rows = []
    for cell in cells:
        passed = data.passed.isel(dict(zip(keys, cell.place, strict=True))).dropna("check")
        failed = ", ".join(str(name) for name in passed.check.values[passed.values == 0])
        said = f"{int(passed.sum())} of {passed.sizes['check']}" if passed.sizes["check"] else "–"
        rows.append((*(text(cell.values[key]) for key in keys), said, failed))
    caption = "How many checks every cell passed, and which it did not."
    return Section("Checks", tables=[Table(caption, (*keys, "passed", "failed"), rows)])


def _all_cells(data: xr.Dataset, cells: list[Cell], reused: set[tuple[int, ...]]) -> Section:
    keys = list(cells[0].values)
    rows = []
    for cell in cells:
        failure = str(data.failure.values[cell.place])
        state = "failed" if failure else "found finished" if cell.place in reused else "computed"
        rows.append(
            (
                *(text(cell.values[key]) for key in keys),
                state,
                failure or f"cells/{cell.folder}/{cell.file}",
            )
        )
    caption = "Every combination of the swept values; a cell that failed says why."
    return Section("Cells", tables=[Table(caption, (*keys, "", "result"), rows)])
