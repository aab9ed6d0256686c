"""Solutions of the diffusion equation on a frequency mesh: evaluate, save, load, export."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from fefreq.diffusion.assembly import light_basis
from fefreq.fields.coordinates import sample_field
from fefreq.fields.saved import Saved
from fefreq.fields.statistics import Stats
from fefreq.fields.times import along_time, at_times
from fefreq.meshes.checks import mesh_kinds
from fefreq.meshes.point_location import Locator, probe_matrix
from fefreq.models import Model, Parity
from fefreq.propagation.propagator import Result
from fefreq.support.arrays import ComplexArray, FloatArray, as_points
from fefreq.targets.target import Target

if TYPE_CHECKING:
    import xarray as xr
    from skfem import Basis, Mesh


@dataclass(frozen=True, eq=False)
class MeshSolution(Saved):
    """The error field ``û(ξ, t)`` on a frequency mesh.

    Attributes
    ----------
    times : ndarray, shape (T,)
    dofs : ndarray of complex, shape (T, N) or (T, N, channels)
        Finite-element coefficients.
    energy : ndarray, shape (T,)
        ``½ ∫ |û|²`` over the mesh, summed over channels; never increases.
    mesh : skfem.Mesh
    order : int
    model : Model
    target : Target
        What the error was at time 0, in position.
    result : Result
    stats : Stats
    mesh_given : bool
        Whether the mesh was given, and not chosen to hold every frequency that changes.
    """

    format: ClassVar[str] = "fefreq mesh solution 1"

    times: FloatArray = field(metadata=along_time())
    dofs: ComplexArray = field(metadata=along_time())
    energy: FloatArray = field(metadata=along_time())
    mesh: Mesh
    order: int
    model: Model
    target: Target
    result: Result
    stats: Stats = field(metadata=along_time())
    mesh_given: bool = False

    @cached_property
    def basis(self) -> Basis:
        """The finite-element basis of ``dofs``, without quadrature data."""
        return light_basis(self.mesh, self.order)

    @cached_property
    def locator(self) -> Locator:
        """Finds the cells of points, built at the first question."""
        return Locator(self.mesh)

    def at(
        self, frequencies: ArrayLike, outside: Literal["raise", "initial"] | float | None = None
    ) -> ComplexArray:
        """Spectrum of the error at all times.

        Parameters
        ----------
        frequencies : array_like, shape (F, d)
            In cycles per unit length.
        outside : {"raise", "initial"} or float, optional
            What the error is outside the mesh: an error is raised, its initial spectrum at all times, or a
            number such as NaN. By default the initial spectrum outside a mesh that was chosen, which ends where
            no frequency is drawn or beyond the band of the target; and ``"raise"`` outside one that was given,
            about which nobody knows.

        Returns
        -------
        ndarray of complex, shape (T, F) or (T, F, channels)

        Raises
        ------
        ValueError
            If a point lies outside the mesh and must not; the message names the first and the extent of the mesh.
        """
        if outside is None:
            outside = "raise" if self.mesh_given else "initial"
        if isinstance(outside, str) and outside not in ("raise", "initial"):
            raise ValueError(f'outside is {outside!r}; it must be "raise", "initial" or a number such as nan')
        points = as_points(frequencies, self.model.dim, "frequencies")
        probe = probe_matrix(self.basis, points, "raise" if outside == "raise" else "zero", self.locator)
        dofs = self.dofs.reshape(*self.dofs.shape[:2], -1)
        flat = np.moveaxis(dofs, 1, 0).reshape(dofs.shape[1], -1)
        values: ComplexArray = np.asarray(probe @ flat, dtype=np.complex128)
        values = values.reshape(len(points), len(self.times), dofs.shape[2])
        beyond = np.diff(probe.indptr) == 0  # rows without entries
        if outside == "initial":
            values[beyond] = self.target.spectrum(points[beyond]).reshape(-1, 1, dofs.shape[2])
        elif not isinstance(outside, str):
            values[beyond] = outside
        return np.moveaxis(values, 0, 1).reshape(len(self.times), len(points), *self.dofs.shape[2:])

    def until(self, time: float) -> MeshSolution:
        """The solution at the times up to a given one only."""
        return at_times(self, self.times <= time)

    def to_xarray(self, frequencies: ArrayLike | None = None) -> xr.Dataset:
        """Sample the complex variable ``error`` at frequencies, by default the nodes, as a labelled dataset.

        Parameters
        ----------
        frequencies : array_like, shape (F, d), optional
        """
        nodes = (
            self.mesh.p.T if frequencies is None else as_points(frequencies, self.model.dim, "frequencies")
        )
        order = np.lexsort(nodes.T[::-1]) if frequencies is None else np.arange(len(nodes))
        dataset = sample_field(self, nodes[order])
        dataset["energy"] = ("time", self.energy, {"long_name": "half the integral of |error|²"})
        dataset["error_estimate"] = ("time", self.stats.error_estimate)
        dataset.attrs.update(result=self.result.value, mesh=self.stats.mesh, unknowns=self.stats.unknowns)
        return dataset

    def to_dataset(self) -> xr.Dataset:
        """Everything, for a file; see :meth:`save`."""
        import xarray as xr

        from fefreq.targets.storage import target_variables

        trailing = ("channel",) if self.dofs.ndim == 3 else ()
        variables, attributes = target_variables(self.target)
        return xr.Dataset(
            {
                "dofs": (("time", "dof", *trailing), self.dofs),
                "energy": ("time", self.energy),
                "error_estimate": ("time", self.stats.error_estimate),
                "mesh_points": (("axis", "vertex"), self.mesh.p),
                "mesh_cells": (("corner", "cell"), self.mesh.t),
                **variables,
            },
            coords={"time": self.times},
            attrs={
                "mesh_type": type(self.mesh).__name__,
                "order": self.order,
                "model": self.model.to_json(),
                "mesh_given": int(self.mesh_given),
                "result": self.result.name,
                "stats": json.dumps(self.stats.to_dict()),
                **attributes,
            },
        )

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> MeshSolution:
        """Rebuild a solution from what :meth:`to_dataset` gave."""
        from fefreq.targets.storage import target_from_dataset

        attrs = dataset.attrs
        stats = json.loads(attrs["stats"])
        return cls(
            times=dataset.time.values,
            dofs=dataset.dofs.values,
            energy=dataset.energy.values,
            mesh=mesh_kinds()[attrs["mesh_type"]](dataset.mesh_points.values, dataset.mesh_cells.values),
            order=int(attrs["order"]),
            model=Model.from_json(attrs["model"]),
            target=target_from_dataset(dataset),
            result=Result[attrs["result"]],
            stats=Stats.from_dict(stats),
            mesh_given=bool(attrs.get("mesh_given", 0)),
        )

    def write(self, path: str | Path) -> Path:
        """Write a series for ParaView: a ``.pvd`` index with one ``.vtu`` per time, or one ``.xdmf`` file.

        Point data are real part, imaginary part and modulus of the error, the density and the coefficients. A
        ``.pvd`` series that is cut short opens up to its last complete time.

        Raises
        ------
        FileExistsError
            If the series exists.
        ValueError
            If the path has another ending.
        """
        from fefreq.output.paraview import SeriesWriter, Visualisation, write_xdmf

        path = Path(path)
        if path.suffix not in (".pvd", ".xdmf"):
            raise ValueError(
                f"{path.name} must end in .pvd or .xdmf, for these are the series that are written"
            )
        view = Visualisation(self.basis)
        constant = self._coefficients(np.ascontiguousarray(view.points[:, : self.model.dim]))
        columns = self.dofs.reshape(*self.dofs.shape[:2], -1)
        names = ["error"] if self.dofs.ndim == 2 else [f"error_{i}" for i in range(columns.shape[2])]
        if path.suffix == ".xdmf":
            values = np.stack([view.matrix @ dofs for dofs in columns])
            still = {name: np.tile(array, (len(values), 1)) for name, array in constant.items()}
            moving = dict(zip(names, np.moveaxis(values, 2, 0), strict=True))
            return write_xdmf(path, view, self.times, {**moving, **still})
        with SeriesWriter(path, view) as writer:
            for t, dofs in zip(self.times, columns, strict=True):
                writer.write(float(t), dict(zip(names, (view.matrix @ dofs).T, strict=True)) | constant)
        return path

    def _coefficients(self, at: FloatArray) -> dict[str, FloatArray]:
        """Density and coefficients at frequencies ``(n, d)``, by the names of their arrays."""
        found = {"density": self.model.density.pdf(at)}
        parities: tuple[Parity, ...] = ("even", "odd") if self.model.parity_dependent else ("even",)
        for parity in parities:
            c = self.model.coefficients(at, parity)
            suffix = f"_{parity}" if self.model.parity_dependent else ""
            found |= {f"diffusion{suffix}": c.diffusion, f"damping{suffix}": c.damping}
        return found
