"""Which scale of Fourier features suits an image: the recommendation against a sweep of trainings.

Every second pixel along both axes is trained on, the others are held out. :func:`fefreq.recommend_scale` predicts the
held-out signal-to-noise ratio of a deep network for every scale; then a network is trained at every scale, and the
two answers are laid side by side. They are compared at the end: the prediction at its late time, the network after
its last step. Nothing is fitted between them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fefreq.fields.error_curves import psnr
from fefreq.initialisation.scale.recommendation import Recommendation
from fefreq.support.arrays import FloatArray
from harness.studies.study import StudyResult
from harness.studies.timings import Timings

if TYPE_CHECKING:
    from fefreq.support.progress import Progress
    from harness.training.checkpoints import Checkpoints
from harness.studies.scale_choice.checks import BandsOfScales
from harness.studies.scale_choice.file import ScaleChoiceFile, label
from harness.studies.scale_choice.findings import Findings


class ScaleChoice(ScaleChoiceFile):
    """Predicted and trained held-out errors of images over the scale of Gaussian Fourier features."""

    def carry_out(self, progress: Progress, checkpoints: Checkpoints | None = None) -> StudyResult:
        """Predict and train for all images and scales, and compare."""
        from harness.studies.scale_choice.report import sections
        from harness.studies.scale_choice.training import train_on

        clock = Timings()
        with clock.during("predictions"):
            advice = {label(name): self.recommendation(name) for name in self.images}
        trained = np.empty((len(self.images), len(self.scales), self.training.seeds, 3))
        with clock.during("training"):
            for i, name in enumerate(self.images):
                split = self.split(name)
                for j, scale in enumerate(self.scales):
                    for k in range(self.training.seeds):
                        called = f"{label(name)}-{scale:g}-{k}"
                        done = train_on(
                            split,
                            self.network(scale, k),
                            progress,
                            checkpoints and checkpoints.named(called),
                            f"training {label(name)}, scale {scale:g}",
                        )
                        trained[i, j, k] = done.train_mse, done.heldout_mse, done.seconds
        data = self._table(advice, trained)
        found = Findings(self, data, advice)
        return StudyResult(
            study=self,
            verdicts=BandsOfScales().judge(found),
            sections=sections(found),
            datasets={
                "scale-choice": data,
                **{f"predicted-{name}": each.table for name, each in advice.items()},
            },
            seconds=clock.seconds,
            files={f"predicted-{name}.vti": each.write_image for name, each in advice.items()},
        )

    def _table(self, advice: dict[str, Recommendation], trained: FloatArray) -> xr.Dataset:
        last = {name: each.table.isel(family=0, time=-1) for name, each in advice.items()}
        where = ("image", "scale")

        def of(variable: str) -> FloatArray:
            return np.stack([table[variable].values for table in last.values()])

        decibels = {"units": "dB"}
        return xr.Dataset(
            {
                "predicted": (
                    where,
                    of("heldout_psnr"),
                    {"long_name": "predicted held-out PSNR", **decibels},
                ),
                "trained": (
                    where,
                    psnr(trained[..., 1], 1.0).mean(axis=2),
                    {"long_name": "held-out PSNR after training, mean over networks", **decibels},
                ),
                "trained_each": (
                    (*where, "seed"),
                    psnr(trained[..., 1], 1.0),
                    {"long_name": "held-out PSNR after training", **decibels},
                ),
                "predicted_fit": (
                    where,
                    of("train_psnr"),
                    {"long_name": "predicted PSNR of the fit", **decibels},
                ),
                "trained_fit": (
                    where,
                    psnr(trained[..., 0], 1.0).mean(axis=2),
                    {"long_name": "PSNR of the fit after training, mean over networks", **decibels},
                ),
                "prediction_seconds": (where, of("seconds"), {"units": "s"}),
                "training_seconds": (
                    where,
                    trained[..., 2].mean(axis=2),
                    {
                        "long_name": "time that the training of a network took, mean over networks",
                        "units": "s",
                    },
                ),
            },
            coords={
                "image": list(advice),
                "scale": ("scale", list(self.scales), {"units": "cycles per side"}),
            },
            attrs={
                "title": self.title,
                "question": self.question,
                "time": float(next(iter(last.values())).time),
            },
        )
