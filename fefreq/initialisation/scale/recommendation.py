"""What the search for the best scale found: the table of errors, the best choice, its prediction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fefreq.fields.saved import Saved
from fefreq.initialisation.scale.table import Choice, best_choice, choice_of
from fefreq.kernel.solution import PointSolution
from fefreq.support.arrays import FloatArray
from fefreq.targets.split import DataSplit
from fefreq.targets.storage import grid_attributes, grid_from_attributes

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from fefreq.densities.base import Density


@dataclass(frozen=True, eq=False)
class Recommendation(Saved):
    """Predicted errors of deep networks on Fourier features, by family and scale of their densities.

    Attributes
    ----------
    table : xarray.Dataset
        ``train_mse``, ``heldout_mse``, ``train_psnr``, ``heldout_psnr`` over family, scale and time;
        ``early_stopping_time`` and ``seconds`` over family and scale.
    split : DataSplit
        What was trained on, and what was held out.
    prediction : PointSolution
        Training with the best density.
    """

    format: ClassVar[str] = "fefreq recommendation 1"

    table: xr.Dataset
    split: DataSplit
    prediction: PointSolution

    @property
    def best(self) -> Choice:
        """The best scale of the family with the largest held-out PSNR at the last time.

        Families are compared by their largest PSNR, not by that of the scale which is taken for being smaller.
        """
        return best_choice(self.table)

    @property
    def density(self) -> Density:
        """The density of the best choice."""
        density: Density = self.prediction.model.density
        return density

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the families, in the order in which they were given."""
        return tuple(str(name) for name in self.table.family.values)

    @property
    def scales(self) -> FloatArray:
        """The scales, increasing."""
        return np.asarray(self.table.scale.values)

    def best_of(self, family: str) -> Choice:
        """The best scale of one family: the smallest of those around the largest PSNR that lose no more than 0.5 dB.

        Raises
        ------
        ValueError
            If the family was not tried.
        """
        if family not in self.families:
            raise ValueError(f"{family!r} was not tried; there are {', '.join(self.families)}")
        return choice_of(self.table, family)

    def predicted(self) -> FloatArray:
        """What the network with the best density would output at the last time, on the whole grid of the data.

        Returns
        -------
        ndarray, shape (n_1, …, n_d) or (n_1, …, n_d, channels)

        Raises
        ------
        ValueError
            If the data are scattered.
        """
        if self.split.grid is None:
            raise ValueError("scattered data have no grid: use prediction.predict at points of your own")
        last = self.prediction.at_last()
        values = last.predict(self.split.grid.points, extrapolate=True)[0]
        return np.asarray(values.reshape(*self.split.grid.shape, *values.shape[1:]))

    def plot(self) -> Figure:
        """Held-out and training PSNR against the scale, and the errors of the best scale against time."""
        from fefreq.initialisation.scale.pictures import scale_figure

        return scale_figure(self.table, self.best)

    def plot_image(self) -> Figure | None:
        """Data, and what the best density makes of the trained samples, side by side; None if they are no image."""
        from fefreq.initialisation.scale.pictures import image_figure

        if self.split.grid is None or len(self.split.grid.shape) != 2:
            return None
        return image_figure(self.split, self.predicted(), self.best)

    def to_dataset(self) -> xr.Dataset:
        """The table, and beside it data and prediction, for a file; see :meth:`save`."""
        prediction = self.prediction.to_dataset().drop_vars("time")
        renamed = prediction.rename({name: f"prediction_{name}" for name in prediction.data_vars})
        channel = ("channel",) if self.split.values.ndim == 2 else ()
        return self.table.assign(
            {
                **renamed.data_vars,
                "heldout_points": (("heldout", "axis"), self.split.points),
                "heldout_values": (("heldout", *channel), self.split.values),
            }
        ).assign_attrs(
            {f"prediction_{name}": value for name, value in prediction.attrs.items()},
            data_peak=self.split.peak,
            **grid_attributes(self.split.grid, "data"),
        )

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Recommendation:
        """Rebuild a recommendation from what :meth:`to_dataset` gave."""
        held = ("heldout_points", "heldout_values")
        inner = [str(name) for name in dataset.data_vars if str(name).startswith("prediction_")]
        own = {key: value for key, value in dataset.attrs.items() if key.startswith("prediction_")}
        stored = dataset[inner].rename({name: name.removeprefix("prediction_") for name in inner})
        stored.attrs = {key.removeprefix("prediction_"): value for key, value in own.items()}
        prediction = PointSolution.from_dataset(stored)
        split = DataSplit(
            trained=prediction.target,
            points=dataset[held[0]].values,
            values=dataset[held[1]].values,
            grid=grid_from_attributes(dataset.attrs, "data"),
            peak=float(dataset.attrs["data_peak"]),
        )
        table = dataset.drop_vars([*inner, *held])
        about_data = ("format", "data_peak", "data_grid", "data_lower", "data_spacing", *own)
        table.attrs = {key: value for key, value in dataset.attrs.items() if key not in about_data}
        return cls(table, split, prediction)

    def write_image(self, path: str | Path) -> Path:
        """Write the prediction on the grid for ParaView (``.vti``), one array per channel.

        Raises
        ------
        FileExistsError
            If the file exists.
        ValueError
            If the data are scattered or have more than three dimensions.
        """
        from fefreq.output.image_data import ImageGrid
        from fefreq.support.files import atomic

        values = self.predicted()
        assert self.split.grid is not None
        image = ImageGrid(self.split.grid)
        columns = values.reshape(image.count, -1).T
        names = ["predicted"] if len(columns) == 1 else [f"predicted_{i}" for i in range(len(columns))]
        with atomic(Path(path)) as temporary:
            image.write(temporary, dict(zip(names, columns, strict=True)), compress=True)
        return Path(path)
