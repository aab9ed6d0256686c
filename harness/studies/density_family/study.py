r"""Shape or scale: what of a frequency density decides the error at unseen points.

The one-dimensional study of Tancik et al. (arXiv 2006.10739), with a prediction beside the training. Signals have a
power-law spectrum and random phases,

.. math:: f(x) ∝ ∑_{k=1}^{N-1} k^{-α} \cos(2πkx + φ_k) , \qquad φ_k ∼ U(0, 2π) ,

on ``2N - 1`` points of an interval of length 1, scaled to mean square 1. Every second point is trained on, the others
are held out. Networks see the signal through frozen Fourier features whose frequencies come from one of several
families of densities; families are made comparable by the standard deviation of the frequencies. The kernel flow
(:class:`fefreq.KernelFlow`) predicts the held-out error of an infinitely wide network for every family, scale and
exponent, and networks trained at marked scales confirm it.

A density that is too narrow learns high frequencies too late; one that is too wide fills the gaps between trained
points with noise. The best scale lies between, and depends on the signal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from fefreq import KernelFlow, Rates, largest_rate
from fefreq.experiments.schema import Section as Keys
from fefreq.models import FourierFeatures, Model
from fefreq.models.dual_activations import Activation
from fefreq.support.arrays import FloatArray
from fefreq.targets.target import Target
from harness.studies.density_family.families import Family, density_of, power_law_signals
from harness.studies.density_family.findings import Findings
from harness.studies.divergence import naming
from harness.studies.study import Study, StudyResult
from harness.studies.timings import Timings
from harness.training.run import Run
from harness.training.trainer import Precision

if TYPE_CHECKING:
    from fefreq.support.progress import Progress
    from harness.training.checkpoints import Checkpoints


class ScaleRange(Keys):
    """Standard deviations of the frequencies, geometrically spread."""

    first: PositiveFloat = Field(description="smallest, in cycles per unit length")
    last: PositiveFloat = Field(description="largest")
    count: int = Field(ge=2, description="how many")

    @model_validator(mode="after")
    def _increasing(self) -> ScaleRange:
        if not self.first < self.last:
            raise ValueError(f"first ({self.first:g}) must be smaller than last ({self.last:g})")
        return self

    def values(self) -> FloatArray:
        """The scales, shape ``(count,)``."""
        return np.geomspace(self.first, self.last, self.count)


class MarkedTraining(Keys):
    """Networks that are trained at some of the scales, by full-batch gradient descent."""

    scales: tuple[PositiveFloat, ...] = Field(
        min_length=1, description="standard deviations at which networks of every family are trained"
    )
    width: PositiveInt = Field(description="neurons of a layer; frequencies that are drawn")
    seeds: PositiveInt = Field(1, description="number of networks at each scale")
    seed: int = Field(0, ge=0, description="where the random numbers of the networks begin")
    share: float = Field(
        0.25, gt=0, lt=1, description="size of a step as a share of the largest that is stable"
    )
    precision: Precision = Field("float64", description="of parameters and gradients")


class FamilyChecks(Keys):
    """What must come out; a check that is left out is not made."""

    agreement: PositiveFloat | None = Field(
        None, description="largest relative difference of trained from predicted held-out error"
    )
    shape: float | None = Field(
        None, ge=1, description="largest ratio between the best held-out errors of two families"
    )
    outweighs: PositiveFloat | None = Field(
        None,
        description="how many times as much the scale must matter as the shape: logarithm of the worst over the best "
        "error of a family, over the logarithm of the ratio between the best errors of two families",
    )


class DensityFamily(Study):
    """Held-out errors of power-law signals under families of densities over a range of scales."""

    kind: Literal["density-family"]
    samples: int = Field(ge=8, description="number N of trained points; N - 1 more are held out between them")
    exponents: tuple[float, ...] = Field(
        min_length=1, description="exponents of the power-law spectra of the signals"
    )
    signals: PositiveInt = Field(description="number of random signals of each exponent")
    seed: int = Field(0, ge=0, description="where the random phases begin")
    families: tuple[Family, ...] = Field(
        ("gaussian", "uniform", "log-uniform", "laplace"), min_length=1, description="shapes of the density"
    )
    scales: ScaleRange = Field(description="standard deviations of the frequencies")
    lowest: PositiveFloat = Field(
        0.5, description="lower limit of the log-uniform density, below all scales, in cycles per unit length"
    )
    time: PositiveFloat = Field(description="training time at which the held-out error is measured")
    hidden_layers: int = Field(0, ge=0, description="hidden layers between features and output")
    activation: Activation = Field("relu", description="of the hidden layers")
    rtol: float = Field(1e-6, ge=1e-12, lt=1, description="relative error in time of the predictions")
    training: MarkedTraining | None = Field(None, description="without it there are predictions only")
    checks: FamilyChecks = Field(FamilyChecks(), description="what `harness validate` insists on")

    @model_validator(mode="after")
    def _consistent(self) -> DensityFamily:
        distinct = {"families": self.families, "exponents": self.exponents}
        if self.training is not None:
            distinct["training.scales"] = self.training.scales
        for name, given in distinct.items():
            if len(set(given)) < len(given):
                raise ValueError(f"{name} must differ from one another, but {list(given)} repeats one")
        if "log-uniform" in self.families and not self.lowest < 0.9 * self.all_scales().min():
            raise ValueError(
                f"lowest is {self.lowest:g}, but a log-uniform density has a standard deviation above its lower "
                f"limit: choose it well below the smallest scale {self.all_scales().min():g}"
            )
        if self.checks.agreement is not None and self.training is None:
            raise ValueError("checks.agreement needs networks to agree with: give a [training] table")
        for name in ("shape", "outweighs"):
            if getattr(self.checks, name) is not None and len(self.families) < 2:
                raise ValueError(f"checks.{name} compares families, but there is only one")
        return self

    def all_scales(self) -> FloatArray:
        """Scales of the sweep and of the training together, increasing."""
        marked = () if self.training is None else self.training.scales
        return np.unique(np.concatenate([self.scales.values(), marked]))

    def target(self) -> Target:
        """All signals as channels, exponent after exponent; points that are held out have weight 0."""
        rng = np.random.default_rng(self.seed)
        count = 2 * self.samples - 1
        signals = [power_law_signals(count, exponent, self.signals, rng) for exponent in self.exponents]
        target = Target.from_grid(np.concatenate(signals, axis=1), [(-0.5, 0.5)])
        weights = np.zeros(count)
        weights[::2] = 1 / self.samples
        return Target(target.points, target.values, weights, grid=target.grid)

    def model(self, family: Family, scale: float) -> Model:
        """The infinitely wide network with frozen frequencies of one family and scale."""
        density = density_of(family, scale, self.lowest)
        if self.hidden_layers == 0:
            return FourierFeatures(density, output_std=0.0, rates=Rates(frequency=0.0))
        from fefreq import DeepFourierFeatures

        return DeepFourierFeatures(density, self.hidden_layers, self.activation)

    def prepare(self) -> None:
        """Make the data, and every model once."""
        self.target()
        for family in self.families:
            for scale in self.all_scales():
                self.model(family, float(scale))

    def carry_out(self, progress: Progress, checkpoints: Checkpoints | None = None) -> StudyResult:
        """Predict the sweep, train at the marked scales, compare."""
        from harness.studies.density_family.report import sections

        clock = Timings()
        target, scales = self.target(), self.all_scales()
        predicted = np.empty((len(self.families), len(scales), len(self.exponents)))
        with clock.during("predictions"):
            progress.start("predicting", predicted[..., 0].size)
            for i, family in enumerate(self.families):
                for j, scale in enumerate(scales):
                    flow = KernelFlow(self.model(family, float(scale)), target)
                    values = flow.solve([0.0, self.time], rtol=self.rtol).values[1:]
                    predicted[i, j] = self._held_out(values[None])[0]
                    progress.advance()
            progress.finish()
        data = xr.Dataset(
            {"predicted": (("family", "scale", "exponent"), predicted)},
            coords={"family": list(self.families), "scale": scales, "exponent": list(self.exponents)},
            attrs={"title": self.title, "question": self.question},
        )
        if self.training is not None:
            with clock.during("training"):
                trained, steps = self._trained(target, self.training, progress, checkpoints)
            data["trained"] = (("family", "marked", "exponent", "member"), trained)
            data["steps"] = (("family", "marked"), steps)
            data = data.assign_coords(marked=list(self.training.scales))
        data.predicted.attrs["long_name"] = "root mean square of the error at held-out points"
        data.scale.attrs.update(
            long_name="standard deviation of the frequencies", units="cycles per unit length"
        )
        found = Findings(self, data)
        return StudyResult(
            study=self,
            verdicts=found.verdicts(),
            sections=sections(found),
            datasets={"held-out": data},
            seconds=clock.seconds,
        )

    def _trained(
        self,
        target: Target,
        training: MarkedTraining,
        progress: Progress,
        checkpoints: Checkpoints | None,
    ) -> tuple[FloatArray, FloatArray]:
        errors = np.empty((len(self.families), len(training.scales), len(self.exponents), training.seeds))
        steps = np.empty(errors.shape[:2], dtype=np.int64)
        for i, family in enumerate(self.families):
            for j, scale in enumerate(training.scales):
                kept = None if checkpoints is None else checkpoints.named(f"{family}-{j}")
                with naming(f"{family}, scale {scale:g}"):
                    run = self._run(self.model(family, scale), target, training, progress, kept)
                errors[i, j] = self._held_out(run.residuals).T
                steps[i, j] = run.steps[-1]
        return errors, steps

    def _run(
        self,
        model: Model,
        target: Target,
        training: MarkedTraining,
        progress: Progress,
        checkpoints: Checkpoints | None,
    ) -> Run:
        from harness.training.train import train

        return train(
            model,
            target,
            training.width,
            [self.time],
            training.share * 2 / largest_rate(model, target),
            training.seeds,
            training.seed,
            # Output weights of two layers begin at zero here, and every neuron has a frequency of its own.
            start="plain" if self.hidden_layers == 0 else "centred",
            precision=training.precision,
            progress=progress,
            checkpoints=checkpoints,
        )

    def _held_out(self, residuals: FloatArray) -> FloatArray:
        """Errors of every exponent, shape ``(S, exponents)``, from residuals ``(S, 1, points, channels)``."""
        squares = np.mean(residuals[:, 0, 1::2] ** 2, axis=1)
        return np.asarray(np.sqrt(squares.reshape(len(squares), len(self.exponents), -1).mean(axis=2)))
