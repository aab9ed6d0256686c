"""What the design of a density gives: the density, how good it is, and how it was found."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.npyio import NpzFile

from fefreq.densities.tabulated import Tabulated
from fefreq.models import FourierFeatures, Rates
from fefreq.support.arrays import FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT = "fefreq density design 1"


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
class DensityDesign:
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

    def save(self, path: str | Path) -> Path:
        """Write everything to one ``.npz`` file, atomically; :meth:`load` reads it back, NumPy alone can too.

        ``values`` are the node values of the density on the grid of ``axis_0``, ``axis_1``, …

        Raises
        ------
        ValueError
            If the name does not end in ``.npz``.
        FileExistsError
            If the file exists.
        """
        from fefreq.support.files import atomic

        path = Path(path)
        if path.suffix != ".npz":
            raise ValueError(f"{path.name} must end in .npz, the format of several arrays in one file")
        arrays: dict[str, Any] = {f"axis_{j}": axis for j, axis in enumerate(self.density.axes)}
        arrays |= {name: np.float64(getattr(self, name)) for name in _NUMBERS}
        rates = np.array([self.rates.output, self.rates.frequency, self.rates.bias])
        with atomic(path) as temporary:
            np.savez_compressed(
                temporary,
                format=FORMAT,
                **arrays,
                values=self.density.values,
                energy=self.energy,
                history=self.history,
                rates=rates,
                evaluations=np.int64(self.evaluations),
                result=self.result.name,
            )
        return path

    @classmethod
    def load(cls, path: str | Path) -> DensityDesign:
        """Read a design that was saved.

        Raises
        ------
        ValueError
            If the file is missing, cannot be read or holds no design.
        """
        try:
            file = np.load(path, allow_pickle=False)
            arrays: dict[str, Any] = {}
            if isinstance(file, NpzFile):
                with file:
                    arrays = {name: file[name] for name in file.files}
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(f"{path} is no readable .npz file ({error})") from error
        if isinstance(file, np.ndarray):
            raise ValueError(f"{path} is a single array (.npy); a design is the .npz file that save wrote")
        if str(arrays.get("format")) != FORMAT:
            raise ValueError(
                f"{path} holds no design of this version of fefreq: expected the format {FORMAT!r}"
            )
        try:
            return cls._of(arrays)
        except KeyError as error:
            raise ValueError(f"{path} is a damaged design ({error} is missing or unknown)") from error
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path} is a damaged design ({error})") from error

    @classmethod
    def _of(cls, arrays: dict[str, Any]) -> DensityDesign:
        axes = tuple(arrays[f"axis_{j}"] for j in range(arrays["values"].ndim))
        output, frequency, bias = (float(rate) for rate in arrays["rates"])
        return cls(
            density=Tabulated(axes, arrays["values"]),
            rates=Rates(output, frequency, bias),
            energy=arrays["energy"],
            history=arrays["history"],
            evaluations=int(arrays["evaluations"]),
            result=DesignResult[str(arrays["result"])],
            **{name: float(arrays[name]) for name in _NUMBERS},
        )


_NUMBERS = ("output_std", "time_budget", "water_level", "predicted_error", "gap")
