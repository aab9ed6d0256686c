"""The report of an experiment: one HTML file that needs nothing else.

Pictures are embedded, styles are part of the page, and every text that a user wrote is escaped.
"""

from __future__ import annotations

import base64
import io
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from fefreq import plots
from fefreq.plots.axes import DPI
from fefreq.storage import write_text
from harness import findings
from harness.checks import tone_name
from harness.outcome import Case, Outcome
from harness.results import LIBRARIES


@dataclass(frozen=True)
class Picture:
    """A figure of one case and what it says.

    Attributes
    ----------
    name : str
        For file names, such as ``half-lives``.
    title, legend, finding : str
        Heading; how to read the figure; what it shows, with numbers.
    draw : callable
        Makes the figure.
    """

    name: str
    title: str
    legend: str
    finding: str
    draw: Callable[[], Figure]


@dataclass(frozen=True)
class Section:
    """One model of the report."""

    name: str
    pictures: list[tuple[Picture, str]]
    tones: tuple[findings.Row, list[findings.Row]]
    statistics: list[findings.Row]


def write_report(outcome: Outcome, path: str | Path) -> Path:
    """Write the report of an outcome as one HTML file, atomically.

    Parameters
    ----------
    outcome : Outcome
    path : path
        Does not exist yet.

    Raises
    ------
    FileExistsError
        If the file exists.
    """
    environment = Environment(
        loader=PackageLoader("harness"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sections = [
        Section(
            name,
            [(picture, _embedded(picture.draw())) for picture in pictures(outcome, case)],
            findings.tone_table(case),
            findings.statistics(case),
        )
        for name, case in outcome.cases.items()
    ]
    page = environment.get_template("report.html").render(
        experiment=outcome.experiment,
        verdicts=outcome.verdicts,
        failures=sum(not verdict.passed for verdict in outcome.verdicts),
        sections=sections,
        overview=overview(outcome),
        across=[(picture, _embedded(picture.draw())) for picture in across(outcome)],
        seconds=outcome.seconds,
        configuration=outcome.experiment.model_dump_json(indent=2, exclude_none=True),
        versions={"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
    )
    return write_text(Path(path), page)


def figures(outcome: Outcome) -> dict[str, Figure]:
    """All figures of an outcome, by names such as ``spectra``, or ``MODEL-spectra`` if there are several models."""
    return {name: picture.draw() for name, picture in _named_pictures(outcome).items()}


def save_figures(outcome: Outcome, folder: str | Path) -> list[Path]:
    """Write every figure of an outcome as PNG to a folder that exists.

    Raises
    ------
    FileExistsError
        If one of the files exists.
    """
    return [
        plots.save_figure(figure, Path(folder) / f"{name}.png") for name, figure in figures(outcome).items()
    ]


def pictures(outcome: Outcome, case: Case) -> list[Picture]:
    """The pictures of one case, in the order of the report."""
    data = case.comparison
    planar = "xi_1" in data.coords and "xi_2" not in data.coords
    over_radius = " In this figure frequency is the radius |ξ|, and moduli are root mean squares over shells."
    radial = over_radius if "xi_1" in data.coords else ""
    shown = [
        Picture(
            "spectra",
            "Error spectra at some times",
            "Modulus of the error spectrum against frequency; a colour for each training time, lines and "
            "markers for the sources." + radial,
            findings.remaining(case),
            lambda: plots.spectra_figure(data),
        ),
        Picture(
            "maps",
            "Error over frequency and time",
            "Every source, and its difference from the reference, on one logarithmic colour scale; time is "
            "linear up to the first time after 0." + radial,
            findings.largest_difference(case),
            lambda: plots.map_figure(data),
        ),
        Picture(
            "differences",
            "Difference of the fields",
            "L2 norm over frequencies of the difference from the reference, relative to the initial error.",
            findings.agreement(case),
            lambda: plots.difference_figure(data, findings.limits(outcome.experiment, case)),
        ),
        Picture(
            "split",
            "Where the difference comes from",
            "Discretisation, the estimated errors in time and of the mesh; truncation, the equation on the whole "
            "space against the kernel flow on the data; learning rate, the flow against descent with the steps "
            "taken; finite width, descent at infinite width against the networks.",
            findings.split(case),
            lambda: plots.split_figure(case.split),
        ),
        Picture(
            "half-lives",
            "Half-life against frequency",
            "Training time until half of the error at a frequency is left; large markers are tones. Points are "
            "missing where the initial modulus is below 1 % of the largest, and where more than half of it is "
            "still left at the end." + radial,
            findings.half_lives(case),
            lambda: plots.half_life_figure(data, tones=case.tones, forecast=case.solution),
        ),
    ]
    if planar:
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


def across(outcome: Outcome) -> list[Picture]:
    """Pictures that show all models of an outcome together; none if there is only one."""
    if len(outcome.cases) < 2:
        return []
    first = next(iter(outcome.cases.values()))
    half_width = float(first.comparison.xi_0.max())
    models = {name: case.model for name, case in outcome.cases.items()}
    return [
        Picture(
            "coefficients",
            "Coefficients of the diffusion equations",
            "How fast each model damps the error at a frequency, and how fast the error spreads from there.",
            "",
            lambda: plots.coefficients_figure(models, half_width),
        )
    ]


def overview(outcome: Outcome) -> tuple[findings.Row, list[findings.Row]] | None:
    """Half-lives of all models side by side: head and rows of a table, or None if there is only one model."""
    cases = outcome.cases
    if len(cases) < 2:
        return None
    first = next(iter(cases.values()))
    tones = first.tones.sizes["frequency"]
    if tones == 0:
        return None
    head = ("model", "source", *(tone_name(first, index) for index in range(tones)))
    rows = [
        (
            name,
            findings.source_label(source),
            *(findings.life_cell(case, source, index) for index in range(tones)),
        )
        for name, case in cases.items()
        for source in (str(source) for source in case.tones.source.values)
    ]
    return head, rows


def _named_pictures(outcome: Outcome) -> dict[str, Picture]:
    single = len(outcome.cases) == 1
    together = {picture.name: picture for picture in across(outcome)}
    return together | {
        picture.name if single else f"{name}-{picture.name}": picture
        for name, case in outcome.cases.items()
        for picture in pictures(outcome, case)
    }


def _embedded(figure: Figure) -> str:
    """A figure as the address of an image that contains it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
