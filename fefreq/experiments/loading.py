"""Solutions that were saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fefreq.diffusion.solution import MeshSolution
    from fefreq.kernel.solution import PointSolution


def load(path: str | Path) -> MeshSolution | PointSolution:
    """Read a solution that was saved with its ``save`` method.

    Raises
    ------
    ValueError
        If the file is missing or holds no solution.
    """
    import xarray as xr

    from fefreq.diffusion import solution as mesh_solution
    from fefreq.kernel import solution as point_solution

    try:
        with xr.open_dataset(path, engine="h5netcdf") as file:
            dataset = file.load()
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no readable NetCDF file ({error})") from error
    found = dataset.attrs.get("format")
    if found == mesh_solution.FORMAT:
        return mesh_solution.MeshSolution.from_dataset(dataset)
    if found == point_solution.FORMAT:
        return point_solution.PointSolution.from_dataset(dataset)
    raise ValueError(
        f"{path} holds no solution of this version of fefreq: expected the format {mesh_solution.FORMAT!r} or "
        f"{point_solution.FORMAT!r}"
    )
