r"""A designed density against the best of two usual families, on signals with power-law spectra.

The signals have random phases and a Gaussian window that brings them to 0 at the edge of their interval,

.. math:: f(x) ∝ e^{-x²/2w²} ∑_{k=1}^{K} k^{-α} \cos(2πkx + φ_k) , \qquad φ_k ∼ U(0, 2π) ,

so that the diffusion over frequency is exact for them. For every exponent ``α`` a density is designed for the signal
and a budget of training time (:func:`fefreq.design_density`), and held against the Gaussian and the uniform density
whose scale is the best for the same signal and budget, by prediction. What each leaves of the error at the budget is
predicted twice, by the diffusion over frequency and by the kernel flow on the data, and measured on networks.

The gradient that the design descends by is held against finite differences.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fefreq import (
    DensityDesign,
    Gaussian,
    Target,
    design_density,
    largest_rate,
)
from fefreq.densities.base import Density
from fefreq.support.progress import Progress
from harness.studies.designed_density.errors import PREDICTIONS, gradient_difference
from harness.studies.designed_density.findings import DENSITIES, FAMILIES, Findings
from harness.studies.study import StudyResult
from harness.studies.timings import Timings

if TYPE_CHECKING:
    from harness.training.checkpoints import Checkpoints
from harness.studies.designed_density.checks import BandsOfErrors
from harness.studies.designed_density.file import DesignedDensityFile, DesignTraining

# Scales are searched on a geometric grid, fine as there are several minima, then to this relative accuracy.
PER_OCTAVE, ACCURACY = 6, 1e-3


class DesignedDensity(DesignedDensityFile):
    """Training error at a budget: a designed density, the best Gaussian and the best uniform one."""

    def carry_out(self, progress: Progress, checkpoints: Checkpoints | None = None) -> StudyResult:
        """Design, search, predict, train, compare."""
        from harness.studies.designed_density.report import sections

        clock = Timings()
        targets = {exponent: self.target(exponent) for exponent in self.exponents}
        with clock.during("designs"):
            progress.start("designing", len(targets))
            designs = {}
            for exponent, target in targets.items():
                designs[exponent] = design_density(
                    self.model(Gaussian(1.0)), target, time_budget=self.time_budget
                )
                progress.advance()
            progress.finish()
        with clock.during("search of the best scales"):
            scales = self._best_scales(targets, progress)
        densities = {
            exponent: {"designed": designs[exponent].density}
            | {
                name: made(float(scales.sel(source="kernel", density=name, exponent=exponent)))
                for name, made in FAMILIES.items()
            }
            for exponent in self.exponents
        }
        with clock.during("predictions"):
            data = self._predicted(targets, densities, scales, progress)
        with clock.during("gradients"):
            data["gradient_difference"] = (
                "exponent",
                [gradient_difference(targets[e], designs[e]) for e in self.exponents],
            )
        if self.training is not None:
            with clock.during("training"):
                self._train(data, targets, densities, self.training, progress, checkpoints)
        found = Findings(self, data, designs)
        return StudyResult(
            study=self,
            verdicts=BandsOfErrors().judge(found),
            sections=sections(found),
            datasets={"errors": data},
            seconds=clock.seconds,
            files={f"design-{exponent:g}.npz": _saver(design) for exponent, design in designs.items()},
        )

    def _best_scales(self, targets: dict[float, Target], progress: Progress) -> xr.DataArray:
        """Scale of each family that leaves least at the budget, by each prediction."""
        found = np.empty((len(PREDICTIONS), len(FAMILIES), len(targets)))
        progress.start("searching", found.size)
        for i, source in enumerate(PREDICTIONS):
            for j, family in enumerate(FAMILIES):
                for k, target in enumerate(targets.values()):
                    found[i, j, k] = self._best_scale(source, family, target)
                    progress.advance()
        progress.finish()
        return xr.DataArray(
            found,
            dims=("source", "density", "exponent"),
            coords={"source": list(PREDICTIONS), "density": list(FAMILIES), "exponent": list(targets)},
        )

    def _best_scale(self, source: str, family: str, target: Target) -> float:
        """The best scale on a grid, then between its neighbours."""
        from scipy.optimize import minimize_scalar

        def left(log_scale: float) -> float:
            density = FAMILIES[family](float(np.exp(log_scale)))
            return float(PREDICTIONS[source](self.model(density), target, np.array([self.time_budget]))[0])

        first, last = np.log([self.search.first, self.search.last])
        grid = np.linspace(first, last, 2 + int(PER_OCTAVE * (last - first) / np.log(2)))
        best, step = grid[int(np.argmin([left(float(s)) for s in grid]))], grid[1] - grid[0]
        bounds = (max(best - step, grid[0]), min(best + step, grid[-1]))
        near = minimize_scalar(left, bounds=bounds, method="bounded", options={"xatol": ACCURACY})
        return float(np.exp(near.x))

    def _predicted(
        self,
        targets: dict[float, Target],
        densities: dict[float, dict[str, Density]],
        scales: xr.DataArray,
        progress: Progress,
    ) -> xr.Dataset:
        times = self.times
        curves = np.empty((len(PREDICTIONS), len(DENSITIES), len(targets), len(times)))
        progress.start("predicting", curves[..., 0].size)
        for (i, j, k), _ in np.ndenumerate(curves[..., 0]):
            source, name, exponent = list(PREDICTIONS)[i], DENSITIES[j], self.exponents[k]
            density = densities[exponent][name]
            if name in FAMILIES:  # each prediction has its own opinion of the best scale
                density = FAMILIES[name](float(scales.sel(source=source, density=name, exponent=exponent)))
            curves[i, j, k] = PREDICTIONS[source](self.model(density), targets[exponent], times)
            progress.advance()
        progress.finish()
        return xr.Dataset(
            {
                "predicted": (
                    ("source", "density", "exponent", "time"),
                    curves,
                    {"long_name": "training error over its start, root mean square"},
                ),
                "scale": scales.reindex(density=list(DENSITIES)),
            },
            coords={
                "source": list(PREDICTIONS),
                "density": list(DENSITIES),
                "exponent": list(self.exponents),
                "time": times,
            },
            attrs={"title": self.title, "question": self.question},
        )

    def _train(
        self,
        data: xr.Dataset,
        targets: dict[float, Target],
        densities: dict[float, dict[str, Density]],
        training: DesignTraining,
        progress: Progress,
        checkpoints: Checkpoints | None,
    ) -> None:
        """Add the training error of every network to the data, and the number of steps."""
        from harness.training.train import train

        shape = (len(DENSITIES), len(self.exponents))
        errors = np.empty((*shape, training.seeds, len(self.times)))
        steps = np.empty(shape, dtype=np.int64)
        for (j, k), _ in np.ndenumerate(steps):
            name, exponent = DENSITIES[j], self.exponents[k]
            model, target = self.model(densities[exponent][name]), targets[exponent]
            run = train(
                model,
                target,
                width=training.width,
                times=self.times,
                learning_rate=training.share * 2 / largest_rate(model, target),
                seeds=training.seeds,
                seed=training.seed,
                precision=training.precision,
                progress=progress,
                checkpoints=None if checkpoints is None else checkpoints.named(f"{name}-{exponent:g}"),
            )
            errors[j, k] = np.sqrt(run.losses / run.losses[:, :1])
            steps[j, k] = run.steps[-1]
        data["trained"] = (("density", "exponent", "member", "time"), errors)
        data["steps"] = (("density", "exponent"), steps)


def _saver(design: DensityDesign) -> Callable[[Path], object]:
    return lambda path: design.save(path)
