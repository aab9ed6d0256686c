"""What the design of a density gives: the density, how good it is, and how it was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from fefreq.densities.tabulated import Tabulated
from fefreq.fields.saved import Saved
from fefreq.models import FourierFeatures, Rates
from fefreq.support.arrays import FloatArray

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure


class DesignResult(Enum):
    """How a design ended."""

    exact = "Water-filling, which is the minimum as there is no diffusion."
    refined = "Descent from water-filling ended where less than the tolerance was still being gained."
    steps_exhausted = "Descent from water-filling took all steps allowed and was still gaining."
    as_asked = "Water-filling, as asked; design and predicted error do not count diffusion."
    too_large = (
        "Water-filling, as the mesh would be large; design and predicted error do not count diffusion. "
        "refine=True descends all the same, a larger spacing makes that faster."
    )


@dataclass(frozen=True, eq=False)
class DensityDesign(Saved):
    """A density that was designed for a target and a budget.

    Attributes
    ----------
    density : Tabulated
        The density, to be sampled or put into a model.
    output_std : float
    rates : Rates
        Those of the model that it was designed for.
    time_budget : float
        Training time ``T``.
    water_level : float
        ``μ`` of the water-filling that the design began with: every frequency that it draws leaves the energy
        ``μ / 2 λ_out T`` per volume of frequency.
    energy : ndarray
        ``|f̂|²`` at the nodes of the density, or its mean around them where they are far apart; summed over channels.
    predicted_error : float
        ``‖u(T)‖ / ‖u(0)‖``, relative root mean square training error at the budget.
    history : ndarray
        The same for water-filling and after every step of descent; never increases.
    gap : float
        First-order bound of what is still to be gained, as a share of the squared error.
    evaluations : int
        How many densities were propagated.
    result : DesignResult
    """

    format: ClassVar[str] = "fefreq density design 1"

    density: Tabulated
    output_std: float
    rates: Rates
    time_budget: float
    water_level: float
    energy: FloatArray
    predicted_error: float
    history: FloatArray
    gap: float
    evaluations: int
    result: DesignResult

    @property
    def model(self) -> FourierFeatures:
        """The model with this density: train it, or solve for its error at all times."""
        return FourierFeatures(self.density, self.output_std, self.rates)

    def plot(self) -> Figure:
        """Draw the density beside the spectrum it was designed for, in one or two dimensions.

        Raises
        ------
        ValueError
            In three dimensions.
        """
        from fefreq.initialisation.density.picture import design_figure

        return design_figure(self)

    def to_dataset(self) -> xr.Dataset:
        """Everything, for a file; see :meth:`save`."""
        import xarray as xr

        axes = {f"axis_{j}": axis for j, axis in enumerate(self.density.axes)}
        grid = tuple(f"nodes_{j}" for j in range(len(axes)))
        return xr.Dataset(
            {name: (f"nodes_{j}", axis) for j, (name, axis) in enumerate(axes.items())}
            | {name: ((), float(getattr(self, name))) for name in _NUMBERS}
            | {
                "values": (grid, self.density.values),
                "energy": (grid, self.energy),
                "history": ("step", self.history),
                "rates": ("block", [self.rates.output, self.rates.frequency, self.rates.bias]),
                "evaluations": ((), self.evaluations),
            },
            attrs={"result": self.result.name},
        )

    def save(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write everything to one ``.npz`` file, atomically; :func:`fefreq.load` reads it back, NumPy alone can too.

        ``values`` are the node values of the density on the grid of ``axis_0``, ``axis_1``, …

        Raises
        ------
        ValueError
            If the name does not end in ``.npz``.
        FileExistsError
            If the file exists and ``overwrite`` is false.
        """
        from fefreq.support.files import write_npz

        return write_npz(self._content(), Path(path), overwrite)

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> DensityDesign:
        """Rebuild a design from what :meth:`to_dataset` gave."""
        axes = tuple(dataset[f"axis_{j}"].values for j in range(dataset["values"].ndim))
        output, frequency, bias = (float(rate) for rate in dataset["rates"].values)
        return cls(
            density=Tabulated(axes, dataset["values"].values),
            rates=Rates(output, frequency, bias),
            energy=dataset["energy"].values,
            history=dataset["history"].values,
            evaluations=int(dataset["evaluations"]),
            result=DesignResult[dataset.attrs["result"]],
            **{name: float(dataset[name]) for name in _NUMBERS},
        )


_NUMBERS = ("output_std", "time_budget", "water_level", "predicted_error", "gap")
