"""Which scale of Fourier features suits an image: the recommendation against a sweep of trainings.

Every second pixel along both axes is trained on, the others are held out. :func:`fefreq.recommend_scale` predicts the
held-out signal-to-noise ratio of a deep network for every scale; then a network is trained at every scale, and the
two answers are laid side by side. They are compared at the end: the prediction at its late time, the network after
its last step. Nothing is fitted between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from fefreq import Gaussian
from fefreq.experiments.schema import Section as Keys
from fefreq.fields.error_curves import psnr
from fefreq.initialisation.scale.recommendation import Recommendation
from fefreq.initialisation.scale.search import recommend_scale
from fefreq.initialisation.scale.table import flat_range
from fefreq.support.arrays import FloatArray
from fefreq.targets.split import DataSplit, split_grid
from harness.comparison.verdicts import Verdict
from harness.studies.scale_choice.images import image_named, is_sample
from harness.studies.study import Study, StudyResult
from harness.studies.timings import Timings

if TYPE_CHECKING:
    from fefreq.support.progress import Progress
    from harness.studies.scale_choice.training import Network
    from harness.training.checkpoints import Checkpoints

SQUARE = [(0.0, 1.0), (0.0, 1.0)]


class SweepTraining(Keys):
    """How a network is trained at every scale: Adam, mini-batches, a learning rate that falls like half a cosine."""

    width: PositiveInt = Field(256, description="units of a hidden layer")
    features: PositiveInt = Field(
        256, description="frequencies that are drawn; there are twice as many features"
    )
    steps: PositiveInt = Field(description="number of steps")
    batch: PositiveInt = Field(description="samples of a step")
    learning_rate: PositiveFloat = Field(0.001, description="at the first step; it falls to 0")
    seeds: PositiveInt = Field(1, description="networks at every scale, whose PSNRs are averaged")
    seed: int = Field(0, ge=0, description="where the random numbers begin")


class ScaleBands(Keys):
    """What must come out for every image; a check that is left out is not made."""

    neighbours: int | None = Field(
        None, ge=0, description="largest number of places between the predicted and the trained best scale"
    )
    loss: PositiveFloat | None = Field(
        None, description="largest loss of held-out PSNR by following the prediction, in dB"
    )
    apart: PositiveFloat | None = Field(
        None,
        description="largest difference of predicted and trained held-out PSNR up to twice the best scale, in dB",
    )


class ScaleChoice(Study):
    """Predicted and trained held-out errors of images over the scale of Gaussian Fourier features."""

    kind: Literal["scale-choice"]
    images: tuple[str, ...] = Field(
        min_length=1, description='"terrain", "mri" and "photograph" come with matplotlib; others are files'
    )
    samples: int = Field(128, ge=8, description="pixels along a side of the images")
    scales: tuple[PositiveFloat, ...] = Field(
        min_length=2, description="standard deviations of the frequencies, in cycles per side"
    )
    hidden_layers: int = Field(3, ge=1, description="layers of ReLU units between features and output")
    time: PositiveFloat | None = Field(
        None,
        description="training time of the prediction; by default the late time of `fefreq.recommend_scale`",
    )
    training: SweepTraining = Field(description="of the networks")
    checks: ScaleBands = Field(ScaleBands(), description="what `harness validate` insists on")

    @model_validator(mode="after")
    def _consistent(self) -> ScaleChoice:
        if any(b <= a for a, b in zip(self.scales[:-1], self.scales[1:], strict=True)):
            raise ValueError(f"scales must increase, but they are {list(self.scales)}")
        if len(set(self.images)) < len(self.images):
            raise ValueError(f"images must differ from one another, but {list(self.images)} repeats one")
        called: dict[str, str] = {}
        for name in self.images:
            if (other := called.setdefault(label(name), name)) != name:
                raise ValueError(
                    f"the images {other} and {name} would both be called {label(name)} in files and tables: rename one"
                )
        return self

    def located(self, folder: Path) -> ScaleChoice:
        """The same study with paths of images resolved against the folder of its file."""
        images = tuple(name if is_sample(name) else str(folder / name) for name in self.images)
        return self.model_copy(update={"images": images})

    def prepare(self) -> None:
        """Read all images."""
        for name in self.images:
            self.split(name)

    def split(self, image: str) -> DataSplit:
        """Every second pixel along both axes to train on, the others to judge by."""
        return split_grid(image_named(image, self.samples), SQUARE)

    def network(self, scale: float, member: int = 0) -> Network:
        """A network that is trained at a scale, the same for every image."""
        from harness.studies.scale_choice.training import Network

        training = self.training
        return Network(
            Gaussian(scale, 2),
            training.features,
            self.hidden_layers,
            training.width,
            training.steps,
            training.batch,
            training.learning_rate,
            training.seed + member,
        )

    def recommendation(self, image: str) -> Recommendation:
        """The prediction for an image."""
        return recommend_scale(
            image_named(image, self.samples),
            SQUARE,
            scales=self.scales,
            hidden_layers=self.hidden_layers,
            times=None if self.time is None else np.geomspace(1e-4, 1, 21) * self.time,
        )

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
            verdicts=found.verdicts(),
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


def label(image: str) -> str:
    """How an image is called in files and tables."""
    return image if is_sample(image) else Path(image).stem


@dataclass(frozen=True, eq=False)
class Findings:
    """What predictions and networks say.

    Attributes
    ----------
    study : ScaleChoice
    data : xarray.Dataset
        ``predicted`` and ``trained`` held-out PSNR over image and scale.
    advice : dict
        Recommendations by image.
    """

    study: ScaleChoice
    data: xr.Dataset
    advice: dict[str, Recommendation]

    @property
    def images(self) -> list[str]:
        """Names of the images."""
        return [str(name) for name in self.data.image.values]

    def best(self, source: str, image: str) -> int:
        """Place of the best scale: predicted, as it is recommended, or trained, of the largest PSNR."""
        decibels = self.data[source].sel(image=image).values
        return flat_range(decibels)[0] if source == "predicted" else int(np.argmax(decibels))

    def largest(self, image: str) -> int:
        """Place of the largest predicted PSNR, which need not be that of the best scale."""
        return int(np.argmax(self.data.predicted.sel(image=image).values))

    def loss(self, image: str) -> float:
        """What following the prediction loses against the best trained network, in dB."""
        trained = self.data.trained.sel(image=image).values
        return float(trained.max() - trained[self.best("predicted", image)])

    def gaps(self, image: str) -> xr.DataArray:
        """Predicted minus trained PSNR at the scales up to twice the best, predicted or trained."""
        largest = 2 * max(self.study.scales[self.best(source, image)] for source in ("predicted", "trained"))
        pairs = self.data.sel(image=image)
        difference: xr.DataArray = pairs.predicted - pairs.trained
        return difference.sel(scale=[scale for scale in self.study.scales if scale <= largest * (1 + 1e-9)])

    def verdicts(self) -> tuple[Verdict, ...]:
        """The checks, image by image."""
        bands, scales = self.study.checks, self.study.scales
        verdicts = []
        for image in self.images:
            predicted, trained = self.best("predicted", image), self.best("trained", image)
            if bands.neighbours is not None:
                verdicts.append(
                    Verdict(
                        f"{image}: best scale",
                        f"predicted {scales[predicted]:g}, trained {scales[trained]:g}",
                        "the same" if bands.neighbours == 0 else f"at most {bands.neighbours} place(s) apart",
                        abs(predicted - trained) <= bands.neighbours,
                    )
                )
            if bands.loss is not None:
                loss = self.loss(image)
                verdicts.append(
                    Verdict(
                        f"{image}: loss by following the prediction",
                        f"{loss:.2f} dB",
                        f"≤ {bands.loss:g} dB",
                        loss <= bands.loss,
                    )
                )
            if bands.apart is not None:
                gaps = self.gaps(image)
                worst = gaps[int(np.argmax(np.abs(gaps.values)))]
                verdicts.append(
                    Verdict(
                        f"{image}: predicted against trained PSNR up to scale {float(gaps.scale[-1]):g}",
                        f"{abs(float(worst)):.2f} dB at scale {float(worst.scale):g}",
                        f"≤ {bands.apart:g} dB",
                        bool(abs(float(worst)) <= bands.apart),
                    )
                )
        return tuple(verdicts)
