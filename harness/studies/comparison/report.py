"""The report of a comparison: what its page shows of every model, and of all models together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fefreq.fields.coordinates import frequency_dimension, frequency_points
from fefreq.output import plots
from harness.comparison.tones import tone_name
from harness.reports.page import Picture, Section, Table
from harness.studies.comparison import sentences
from harness.studies.comparison.case import Case
from harness.studies.comparison.check import ComparisonCheck

HALF_LIVES = "Half-lives of the tones: the training time until half of the error is left."


def sections(cases: Mapping[str, Case], checks: Sequence[ComparisonCheck]) -> list[Section]:
    """What the page shows: all models together, then each."""
    several = len(cases) > 1
    each = [
        Section(
            title=f"Model: {name}" if several else "Results",
            pictures=pictures(case, sentences.limits(checks, case)),
            tables=tables(case),
            name=name if several else "",
        )
        for name, case in cases.items()
    ]
    return [*across(cases), *each]


def tables(case: Case) -> list[Table]:
    """The tables of one case: half-lives of its tones, and how it was computed."""
    head, rows = sentences.tone_table(case)
    until = (
        "Half-lives of the tones in training time; “>” where more than half of the error is left at the end."
    )
    tones = [Table(until, head, rows, "Tones")] if rows else []
    return [*tones, Table("", (), sentences.statistics(case), "How it was computed")]


def pictures(case: Case, limits: dict[str, float]) -> list[Picture]:
    """The pictures of one case, in the order of the report, with the tolerances on its difference."""
    data = case.comparison
    dim = frequency_dimension(data)
    over_radius = " In this figure frequency is the radius |ξ|, and moduli are root mean squares over shells."
    radial = over_radius if dim > 1 else ""
    shown = [
        Picture(
            "spectra",
            "Error spectra at some times",
            "Modulus of the error spectrum against frequency; a colour for each training time, lines and "
            "markers for the sources." + radial,
            sentences.remaining(case),
            lambda: plots.spectra_figure(data),
        ),
        Picture(
            "maps",
            "Error over frequency and time",
            "Every source, and its difference from the reference, on one logarithmic colour scale; time is "
            "linear up to the first time after 0." + radial,
            sentences.largest_difference(case),
            lambda: plots.map_figure(data),
        ),
        Picture(
            "differences",
            "Difference of the fields",
            "L2 norm over frequencies of the difference from the reference, relative to the initial error.",
            sentences.agreement(case),
            lambda: plots.difference_figure(data, limits),
        ),
        Picture(
            "split",
            "Where the difference comes from",
            "Discretisation, the estimated errors in time and of the mesh; truncation, the equation on the whole "
            "space against the kernel flow on the data; learning rate, the flow against descent with the steps "
            "taken; finite width, descent at infinite width against the networks.",
            sentences.split(case),
            lambda: plots.split_figure(case.split),
        ),
        Picture(
            "half-lives",
            "Half-life against frequency",
            "Training time until half of the error at a frequency is left; large markers are tones. Points are "
            "missing where the initial modulus is below 1 % of the largest, and where more than half of it is "
            "still left at the end." + radial,
            sentences.half_lives(case),
            lambda: plots.half_life_figure(data, tones=case.tones, forecast=case.solution),
        ),
    ]
    if dim == 2:
        images = Picture(
            "images",
            "Error over the plane of frequencies",
            "Modulus of the error spectrum at some training times, a row for each source, on one logarithmic "
            "colour scale.",
            "",
            lambda: plots.image_figure(data),
        )
        shown.insert(1, images)
    return shown


def across(cases: Mapping[str, Case]) -> list[Section]:
    """Sections that show all models together; none if there is only one."""
    if len(cases) < 2:
        return []
    first = next(iter(cases.values()))
    half_width = float(frequency_points(first.comparison)[:, 0].max())
    models = {name: case.model for name, case in cases.items()}
    coefficients = Picture(
        "coefficients",
        "Coefficients of the diffusion equations",
        "How fast each model damps the error at a frequency, and how fast the error spreads from there.",
        "",
        lambda: plots.coefficients_figure(models, half_width),
    )
    table = overview(cases)
    tables = [Table(HALF_LIVES, *table)] if table else []
    return [Section("All models at a glance", pictures=[coefficients], tables=tables)]


def overview(cases: Mapping[str, Case]) -> tuple[sentences.Row, list[sentences.Row]] | None:
    """Half-lives of all models side by side: head and rows of a table, or None if there is only one model."""
    if len(cases) < 2:
        return None
    first = next(iter(cases.values()))
    tones = first.tones.sizes["frequency"]
    if tones == 0:
        return None
    head = ("model", "source", *(tone_name(first.tones, index) for index in range(tones)))
    rows = [
        (
            name,
            sentences.source_label(source),
            *(sentences.life_cell(case, source, index) for index in range(tones)),
        )
        for name, case in cases.items()
        for source in (str(source) for source in case.tones.source.values)
    ]
    return head, rows
