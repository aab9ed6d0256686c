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

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fefreq import KernelFlow, largest_rate
from fefreq.models import Model
from fefreq.support.arrays import FloatArray
from fefreq.targets.target import Target
from harness.studies.density_family.findings import Findings
from harness.studies.divergence import naming
from harness.studies.study import StudyResult
from harness.studies.timings import Timings
from harness.training.run import Run

if TYPE_CHECKING:
    from fefreq.support.progress import Progress
    from harness.training.checkpoints import Checkpoints
from harness.studies.density_family.checks import BandsOfErrors
from harness.studies.density_family.file import DensityFamilyFile, MarkedTraining


class DensityFamily(DensityFamilyFile):
    """Held-out errors of power-law signals under families of densities over a range of scales."""

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
            verdicts=BandsOfErrors().judge(found),
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
            width=training.width,
            times=[self.time],
            learning_rate=training.share * 2 / largest_rate(model, target),
            seeds=training.seeds,
            seed=training.seed,
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
