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
from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from fefreq import (
    DensityDesign,
    FourierFeatures,
    Gaussian,
    Rates,
    Target,
    design_density,
    largest_rate,
)
from fefreq.densities.base import Density
from fefreq.experiments.schema import Section as Keys
from fefreq.support.arrays import FloatArray
from fefreq.support.progress import Progress
from harness.studies.designed_density.errors import PREDICTIONS, gradient_difference
from harness.studies.designed_density.findings import DENSITIES, FAMILIES, Findings
from harness.studies.study import Study, StudyResult
from harness.studies.timings import Timings
from harness.training.trainer import Precision

if TYPE_CHECKING:
    from harness.training.checkpoints import Checkpoints

# Scales are searched on a geometric grid, fine as there are several minima, then to this relative accuracy.
PER_OCTAVE, ACCURACY = 6, 1e-3


class ScaleSearch(Keys):
    """Where the best scales of the usual densities are looked for."""

    first: PositiveFloat = Field(
        description="smallest scale of a Gaussian and half-width of a uniform density, in cycles per unit length"
    )
    last: PositiveFloat = Field(description="largest")

    @model_validator(mode="after")
    def _increasing(self) -> ScaleSearch:
        if not self.first < self.last:
            raise ValueError(f"first ({self.first:g}) must be smaller than last ({self.last:g})")
        return self


class DesignTraining(Keys):
    """Networks that are trained from every density, by full-batch gradient descent."""

    width: PositiveInt = Field(description="neurons of each network")
    seeds: PositiveInt = Field(1, description="number of networks for each density")
    seed: int = Field(0, ge=0, description="where the random numbers of the networks begin")
    share: float = Field(
        0.1, gt=0, lt=1, description="size of a step as a share of the largest that is stable"
    )
    precision: Precision = Field("float64", description="of parameters and gradients")


class DesignChecks(Keys):
    """What must come out; a check that is left out is not made."""

    ratio: PositiveFloat | None = Field(
        None,
        description="largest ratio of the error that the designed density leaves to that of the best other one, "
        "by every prediction and measured",
    )
    gradient: PositiveFloat | None = Field(
        None, description="largest relative difference of the gradient from finite differences"
    )


class DesignedDensity(Study):
    """Training error at a budget: a designed density, the best Gaussian and the best uniform one."""

    kind: Literal["designed-density"]
    exponents: tuple[float, ...] = Field(
        min_length=1, description="exponents of the power-law spectra of the signals"
    )
    samples: int = Field(ge=16, description="number of points of the interval from -1 to 1")
    tones: PositiveInt = Field(description="highest frequency K of the signals, in cycles per unit length")
    window: PositiveFloat = Field(description="standard deviation w of the Gaussian window")
    seed: int = Field(0, ge=0, description="where the random phases begin")
    time_budget: PositiveFloat = Field(description="training time that the densities are designed for")
    beyond: float = Field(1.0, ge=1, description="training and prediction end at this many budgets")
    output_std: float = Field(1.0, ge=0, description="standard deviation of the output weights at the start")
    rates: Rates = Field(Rates(), description="factors of the learning rates of the blocks of parameters")
    search: ScaleSearch = Field(description="range of the scales of the usual densities")
    training: DesignTraining | None = Field(None, description="without it there are predictions only")
    checks: DesignChecks = Field(DesignChecks(), description="what `harness validate` insists on")

    @model_validator(mode="after")
    def _consistent(self) -> DesignedDensity:
        if len(set(self.exponents)) < len(self.exponents):
            raise ValueError(
                f"exponents must differ from one another, but {list(self.exponents)} repeats one"
            )
        if not self.tones < self.samples / 4:
            raise ValueError(
                f"tones up to {self.tones} cycles on {self.samples} points of an interval of length 2 are not "
                f"resolved: give fewer than {self.samples / 4:g}, or more samples"
            )
        if self.rates.output == 0:
            raise ValueError("rates.output is 0, but a design needs trained output weights: give it above 0")
        return self

    def target(self, exponent: float) -> Target:
        """The signal of an exponent, of mean square 1; phases are the same for all exponents."""
        phases = np.random.default_rng(self.seed).uniform(0, 2 * np.pi, self.tones)
        k = np.arange(1.0, self.tones + 1)

        def signal(x: FloatArray) -> FloatArray:
            waves = np.cos(2 * np.pi * x * k + phases) @ k**-exponent
            values = np.exp(-(x[:, 0] ** 2) / (2 * self.window**2)) * waves
            return np.asarray(values / np.sqrt(np.mean(values**2)))

        return Target.from_function(signal, [(-1, 1)], self.samples)

    def model(self, density: Density) -> FourierFeatures:
        """The network with frequencies from a density."""
        return FourierFeatures(density, self.output_std, self.rates)

    @property
    def times(self) -> FloatArray:
        """Training times, increasing, the budget among them."""
        budget = self.time_budget
        after = budget * np.geomspace(1, self.beyond, 4)
        return np.unique([0.0, *np.geomspace(budget / 30, budget, 13), *after])

    def prepare(self) -> None:
        """Make every signal once, and check that the window lets it fade out."""
        edge = float(np.exp(-1 / (2 * self.window**2)))
        if edge > 0.01:
            raise ValueError(
                f"a window of standard deviation {self.window:g} leaves {edge:.0%} of the signal at the edge of "
                "the interval, where the diffusion over frequency is not exact: give at most 0.32"
            )
        for exponent in self.exponents:
            self.target(exponent)

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
            verdicts=found.verdicts(),
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
                training.width,
                self.times,
                training.share * 2 / largest_rate(model, target),
                training.seeds,
                training.seed,
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
