"""The file of a study of the kind scale-choice: its tables, and what it describes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from fefreq import Gaussian
from fefreq.experiments.schema import Section as Keys
from fefreq.initialisation.scale.recommendation import Recommendation
from fefreq.initialisation.scale.search import recommend_scale
from fefreq.targets.split import DataSplit, split_grid
from harness.studies.scale_choice.images import image_named, is_sample
from harness.studies.study import Study

if TYPE_CHECKING:
    from harness.studies.scale_choice.training import Network

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


class ScaleChoiceFile(Study):
    """The keys of the file, and what they mean together."""

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
    def _consistent(self) -> Self:
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

    def located(self, folder: Path) -> Self:
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


def label(image: str) -> str:
    """How an image is called in files and tables."""
    return image if is_sample(image) else Path(image).stem
