r"""How fast trained networks come to their prediction: like ``m^{-1/2}`` in the width, like ``η`` in the step.

The prediction is that of an infinitely wide network and of infinitely small steps, the kernel flow on the data
(:class:`fefreq.KernelFlow`). A network of ``m`` neurons has a tangent kernel that is the mean over its neurons of
independent draws, so the kernel and everything that follows from it are off by ``O(m^{-1/2})``. Gradient descent with
steps ``η`` multiplies a mode of rate ``θ`` by ``(1 - ηθ)^{t/η} ≈ e^{-θt} (1 - ηθ²t/2)``, so it is off by ``O(η)``,
however wide the network is: a floor under the distance,

.. math:: \max_t \frac{‖u_{m,η}(t) - u(t)‖}{‖u(0)‖} ≈ \sqrt{ (c\, m^{-1/2})² + (b\, η)² } .

Both laws are measured on networks. Their distance to *descent at infinite width with the same steps* knows no floor,
and falls with the width alone; the distance of the widest ones to the *flow* is almost the floor alone. The norm is
that of the loss, and distances are the largest over all times. Networks of different widths have random numbers of
their own, so that they are independent measurements.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import xarray as xr
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from fefreq import GradientDescent, KernelFlow
from fefreq.experiments.experiment import Times
from fefreq.models import Model
from fefreq.support.arrays import FloatArray
from fefreq.support.progress import Progress, watch
from fefreq.targets.signals import AnySource, located
from fefreq.targets.target import Target
from harness.comparison.checks import judge_all
from harness.studies.divergence import naming
from harness.studies.study import Study, StudyResult
from harness.studies.timings import Timings
from harness.studies.width_convergence.checks import ConvergenceBands
from harness.studies.width_convergence.laws import fit_laws
from harness.training.plane_wave_trainer import Method, PlaneWaveTrainer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.training.checkpoints import Checkpoints

# Error of the two predictions, far below any distance that networks can be from them.
RTOL = 1e-9
PARTS = 1000  # of the bar


class WidthConvergence(Study):
    """Distances of trained networks to their prediction over widths and learning rates."""

    kind: Literal["width-convergence"]
    target: Annotated[AnySource, Field(discriminator="kind")] = Field(description="what is learned")
    model: Model = Field(description="what learns it; two layers, with an antisymmetric start")
    times: Times = Field(
        description="training times; linear, so that every learning rate fits into the way from each to the next"
    )
    widths: tuple[PositiveInt, ...] = Field(min_length=3, description="numbers of neurons, increasing")
    seeds: tuple[Annotated[int, Field(ge=2)], ...] = Field(description="number of networks of each width")
    learning_rates: tuple[PositiveFloat, ...] = Field(
        min_length=2, description="sizes of the steps, decreasing"
    )
    seed: int = Field(0, ge=0, description="where the random numbers of all networks begin")
    method: Method = Field("auto", description="matrix products, fast transforms, or whichever is faster")
    checks: ConvergenceBands = Field(ConvergenceBands(), description="what `harness validate` insists on")

    @model_validator(mode="after")
    def _consistent(self) -> WidthConvergence:
        if len(self.seeds) != len(self.widths):
            raise ValueError(
                f"seeds has {len(self.seeds)} numbers, but there are {len(self.widths)} widths: give one for each"
            )
        if any(a >= b for a, b in itertools.pairwise(self.widths)):
            raise ValueError(f"widths must increase, but they are {list(self.widths)}")
        if any(a <= b for a, b in itertools.pairwise(self.learning_rates)):
            raise ValueError(f"learning_rates must decrease, but they are {list(self.learning_rates)}")
        for rate in self.learning_rates:
            steps = np.diff(self.times.values()) / rate
            if not np.allclose(steps, np.rint(steps), rtol=1e-9) or np.min(steps) < 0.5:
                raise ValueError(
                    f"the learning rate {rate:g} does not fit into the intervals between times a whole number of "
                    "times, so steps would have several sizes: choose linear times, first and last multiples of all "
                    "learning rates"
                )
        return self

    def located(self, folder: Path) -> WidthConvergence:
        """The same study with relative paths resolved against the folder of its file."""
        return self.model_copy(update={"target": located(self.target, folder)})

    def prepare(self) -> None:
        """Check data, model, widths and learning rates with each other.

        Raises
        ------
        ValueError
            If they do not go together; a learning rate that is not stable is told the limit.
        """
        target = self.target.make()
        if target.energy == 0:
            raise ValueError("the target is zero everywhere, so there is nothing to learn")
        for width, rate in itertools.product(self.widths, self.learning_rates):
            self._trainer(target, width, rate)

    def carry_out(self, progress: Progress, checkpoints: Checkpoints | None = None) -> StudyResult:
        """Predict, train all networks, fit the two laws, judge."""
        from harness.studies.width_convergence.report import sections

        clock = Timings()
        data = self._measure(clock, progress, checkpoints)
        laws = fit_laws(data)
        return StudyResult(
            study=self,
            verdicts=judge_all(self.checks.all(self.widths[-1]), laws),
            sections=sections(data, laws),
            datasets={"distances": data},
            seconds=clock.seconds,
            details={"fits": {name: law.to_dict() for name, law in laws.named().items()}},
        )

    def _trainer(self, target: Target, width: int, rate: float) -> PlaneWaveTrainer:
        seeds = self.seeds[self.widths.index(width)]
        return PlaneWaveTrainer(
            self.model,
            target,
            width,
            self.times.values(),
            learning_rate=rate,
            seeds=seeds,
            # Neurons of a narrow network are the first ones of a wider network of the same seed.
            seed=int(np.random.SeedSequence([self.seed, width]).generate_state(1)[0]),
            method=self.method,
        )

    def _measure(self, clock: Timings, progress: Progress, checkpoints: Checkpoints | None) -> xr.Dataset:
        """Distances of all networks at all times.

        Returns
        -------
        xarray.Dataset
            ``to_descent`` and ``to_flow`` (width, rate, seed, time), NaN beyond the number of seeds of a width;
            ``floor`` (rate, time), the distance from descent to flow at infinite width.
        """
        target, times = self.target.make(), self.times.values()
        rates = self.learning_rates
        with clock.during("predictions"):
            prediction = KernelFlow(self.model, target)
            flow = prediction.solve(times, rtol=RTOL).values
            descents = {
                rate: replace(prediction, dynamics=GradientDescent(rate)).solve(times, rtol=RTOL).values
                for rate in rates
            }
        shape = (len(self.widths), len(rates), max(self.seeds), len(times))
        to_descent, to_flow = np.full(shape, np.nan), np.full(shape, np.nan)
        methods = {}
        # A transform costs about as much as 20,000 neurons in small networks.
        cells = itertools.product(zip(self.widths, self.seeds, strict=True), rates)
        shared = _Shared(progress, [seeds * (width + 20_000) / rate for (width, seeds), rate in cells])
        try:
            for i, width in enumerate(self.widths):
                with clock.during(f"width {width:,}"):
                    for j, rate in enumerate(rates):
                        kept = checkpoints and checkpoints.named(f"width-{width}-rate-{j}")
                        trainer = self._trainer(target, width, rate)
                        with naming(f"width {width}, learning rate {rate:g}"):
                            run = trainer.train(shared, kept)
                        to_descent[i, j, : run.seeds] = distance(run.residuals, descents[rate], target)
                        to_flow[i, j, : run.seeds] = distance(run.residuals, flow, target)
                        methods[f"{width}"] = run.method
        finally:
            shared.end()
        floor = np.stack([distance(descents[rate], flow, target) for rate in rates])
        dims = ("width", "rate", "seed", "time")
        return xr.Dataset(
            {
                "to_descent": (
                    dims,
                    to_descent,
                    {"long_name": "distance to descent at infinite width, same steps"},
                ),
                "to_flow": (dims, to_flow, {"long_name": "distance to the kernel flow"}),
                "floor": (
                    ("rate", "time"),
                    floor,
                    {"long_name": "distance from descent to flow, infinite width"},
                ),
            },
            coords={"width": list(self.widths), "rate": list(rates), "time": times},
            attrs={f"method at width {width}": method for width, method in methods.items()},
        )


def distance(residuals: FloatArray, reference: FloatArray, target: Target) -> FloatArray:
    """``‖u(t) - v(t)‖ / ‖f‖`` in the norm of the loss.

    Parameters
    ----------
    residuals : ndarray, shape (…, T, n) or (…, T, n, channels)
    reference : ndarray, shape (T, n) or (T, n, channels)

    Returns
    -------
    ndarray, shape (…, T)
    """
    squares = np.square(residuals - reference)
    if target.channels is not None:
        squares = squares.sum(axis=-1)
    return np.asarray(np.sqrt(squares @ target.weights / target.energy))


class _Shared:
    """One bar for several trainings, each of which moves it by its share of the work."""

    def __init__(self, progress: Progress, works: list[float]) -> None:
        self._progress, self._ends = progress, np.cumsum(works) / np.sum(works)
        self._number, self._at, self._step, self._shown = -1, 0.0, 0.0, 0
        progress.start("networks", PARTS)

    def start(self, description: str, total: int) -> None:
        """Begin the next training."""
        self._number += 1
        self._step = (self._ends[self._number] - self._at) / max(1, total)

    def advance(self, count: int = 1) -> None:
        """Move the bar by steps of the present training."""
        self._move(self._at + count * self._step)

    def watch(self, losses: Callable[[], FloatArray]) -> None:
        """Show losses of the present training beside the bar."""
        watch(self._progress, losses)

    def finish(self) -> None:
        """End the present training, wherever it stands."""
        self._move(self._ends[self._number])

    def end(self) -> None:
        """Remove the bar."""
        self._progress.finish()

    def _move(self, share: float) -> None:
        self._at = float(share)
        parts = int(PARTS * self._at) - self._shown
        if parts > 0:
            self._progress.advance(parts)
            self._shown += parts
