"""Power laws of a study: how distances fall with width and learning rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import xarray as xr

from harness.studies.width_convergence.power_laws import PowerLaw, power_law, repeated_power_law

if TYPE_CHECKING:
    pass

# Error of the two predictions, far below any distance that networks can be from them.


@dataclass(frozen=True)
class Laws:
    """The fitted laws: against width at every learning rate, and against learning rate at the largest width."""

    widths: dict[float, PowerLaw]
    floor: PowerLaw

    def named(self) -> dict[str, PowerLaw]:
        """All of them, by names."""
        return {f"width, learning rate {rate:g}": law for rate, law in self.widths.items()} | {
            "learning rate": self.floor
        }


def fit_laws(data: xr.Dataset) -> Laws:
    """Fit both laws to the largest distance of every network over all times."""
    worst = data.max("time", skipna=False)
    widths = {}
    for rate in data["rate"].values:
        found = worst.to_descent.sel(rate=rate).stack(network=("width", "seed")).dropna("network")
        widths[float(rate)] = power_law(found.width.values, found.values)
    widest = worst.to_flow.isel(width=-1).dropna("seed").transpose("seed", "rate")
    return Laws(widths, repeated_power_law(data["rate"].values, widest.values))
