"""Pages of results: sections of text, pictures and tables in one HTML file that needs nothing else.

Pictures are embedded, styles are part of the page, and every text is escaped.
"""

from __future__ import annotations

import base64
import io
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from fefreq.output.plots.axes import DPI
from fefreq.support.files import atomic, write_text
from harness.comparison.verdicts import Verdict

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
            loader=PackageLoader("harness.reports"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        images = {
            id(picture): "data:image/png;base64," + base64.b64encode(content).decode("ascii")
            for picture, content in zip(self._pictures.values(), self._images.values(), strict=True)
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
        return {name: picture.draw() for name, picture in self._pictures.items()}

    def save_figures(self, folder: str | Path) -> list[Path]:
        """Write every figure as PNG to a folder that exists.

        Raises
        ------
        FileExistsError
            If one of the files exists.
        """
        paths = []
        for name, content in self._images.items():
            paths.append(Path(folder) / f"{name}.png")
            with atomic(paths[-1]) as temporary:
                temporary.write_bytes(content)
        return paths

    @property
    def _pictures(self) -> dict[str, Picture]:
        return {
            f"{section.name}-{picture.name}" if section.name else picture.name: picture
            for section in self.sections
            for picture in section.pictures
        }

    @cached_property
    def _images(self) -> dict[str, bytes]:
        """All figures as PNG: drawn once, for the page and for files of their own."""
        return {name: _png(picture.draw()) for name, picture in self._pictures.items()}


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()
