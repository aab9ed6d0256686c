"""The table ``[training]`` of studies that train two-layer networks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag

from fefreq.experiments.schema import Section


class Training(Section):
    """How the networks are trained."""

    width: Annotated[
        Annotated[PositiveInt, Tag("number")] | Annotated[dict[str, PositiveInt], Tag("table")],
        Discriminator(lambda value: "table" if isinstance(value, dict) else "number"),
    ] = Field(
        description="number of neurons (of each sub-network, if there are several), or a table of them by model"
    )
    learning_rate: PositiveFloat | None = Field(
        None, description="size of a step; by default a tenth of the stability limit"
    )
    seeds: PositiveInt = Field(1, description="number of networks, each from an initialisation of its own")
    seed: int = Field(0, ge=0, description="where the random numbers of all networks begin")
    start: Literal["antisymmetric", "plain"] = Field(
        "antisymmetric", description="whether the initial output is exactly zero or a random function"
    )
    precision: Literal["float64", "float32"] = Field("float64", description="of parameters and gradients")
    device: Literal["cpu", "cuda"] = Field("cpu", description="where the dense path computes")
    method: Literal["auto", "dense", "transform"] = Field(
        "auto", description="matrix products, fast transforms, or whichever is faster"
    )

    def settings(self, model: str) -> dict[str, Any]:
        """Settings of :class:`harness.training.plane_wave_trainer.PlaneWaveTrainer` for one model."""
        settings = self.model_dump()
        if isinstance(self.width, dict):
            settings["width"] = self.width[model]
        return settings
