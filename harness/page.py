"""Pages of results: sections of text, pictures and tables in one HTML file that needs nothing else.

Pictures are embedded, styles are part of the page, and every text is escaped.
"""

from __future__ import annotations

import base64
import io
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from fefreq import plots
from fefreq.plots.axes import DPI
from fefreq.storage import write_text
from harness.outcome import Verdict

LIBRARIES = ("fefreq", "numpy", "scipy", "scikit-fem", "finufft", "torch", "xarray")

Row = tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """A figure and what it says.

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
class Table:
    """Rows of text under a caption; the first cell of a row is its heading. Without a head it lists properties."""

    caption: str
    head: Row
    rows: Sequence[Row]
    title: str = ""


@dataclass(frozen=True)
class Section:
    """A part of a page: text, then pictures, then tables.

    Attributes
    ----------
    name : str
        For the names of its files, if there are several sections; may be empty.
    """

    title: str
    text: str = ""
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    name: str = ""


@dataclass(frozen=True)
class Page:
    """Everything on a page of results."""

    title: str
    question: str
    verdicts: Sequence[Verdict]
    sections: Sequence[Section]
    seconds: dict[str, float]
    configuration: str

    def write(self, path: str | Path) -> Path:
        """Write the page as one HTML file, atomically.

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
        images = {
            id(picture): _embedded(picture.draw())
            for section in self.sections
            for picture in section.pictures
        }
        page = environment.get_template("report.html").render(
            page=self,
            failures=sum(not verdict.passed for verdict in self.verdicts),
            image=lambda picture: images[id(picture)],
            versions=versions(),
        )
        return write_text(Path(path), page)

    def figures(self) -> dict[str, Figure]:
        """All figures, by the names of pictures and, where they have one, of their sections."""
        return {
            f"{section.name}-{picture.name}" if section.name else picture.name: picture.draw()
            for section in self.sections
            for picture in section.pictures
        }

    def save_figures(self, folder: str | Path) -> list[Path]:
        """Write every figure as PNG to a folder that exists.

        Raises
        ------
        FileExistsError
            If one of the files exists.
        """
        return [
            plots.save_figure(figure, Path(folder) / f"{name}.png") for name, figure in self.figures().items()
        ]


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def _embedded(figure: Figure) -> str:
    """A figure as the address of an image that contains it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
