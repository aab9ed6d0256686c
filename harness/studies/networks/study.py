r"""Train any networks of :mod:`harness.networks` on one target, with any optimiser, and see what they learn when.

The result is the error field over frequency and time of every network, the half-lives of tones, and, where a network
has a prediction, the two side by side.

A prediction lives in the time of the tangent kernel, ``t = Σ η`` of full-batch gradient descent in the
tangent-kernel parametrisation. With momentum, Adam or mini-batches the sum of the learning rates is not that time
(:mod:`harness.training.optimisers`), so a file that asks for both is refused. Two networks trained by the same
optimiser can always be compared with each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from fefreq.fields.error_field import ErrorField
from fefreq.support.arrays import FloatArray
from harness.comparison.checks import judge_all
from harness.comparison.compare import compare
from harness.comparison.grid import frequency_grid
from harness.studies.divergence import naming
from harness.studies.networks.trained import TrainedNetwork, tone_lives
from harness.studies.study import StudyResult
from harness.studies.timings import Timings
from harness.training.run import Run

if TYPE_CHECKING:
    from fefreq.support.progress import Progress
    from harness.training.checkpoints import Checkpoints
from harness.studies.networks.file import NetworkStudyFile


class NetworkStudy(NetworkStudyFile):
    """Networks of any architecture, trained by any optimiser, with or without predictions."""

    def carry_out(self, progress: Progress, checkpoints: Checkpoints | None = None) -> StudyResult:
        """Train every network, predict, compare, judge.

        Raises
        ------
        DivergenceError
            A ``FloatingPointError``: a loss is not finite or grew without bound; the message names the network.
        """
        from harness.reports.series import write_series
        from harness.studies.networks.report import sections

        clock, trained = Timings(), {}
        for name, trainer in self._trainers.items():
            with clock.named(name).during("training"), naming(f"networks.{name}"):
                run = trainer.train(progress, None if checkpoints is None else checkpoints.named(name))
            with clock.named(name).during("prediction and comparison"):
                trained[name] = self._compared(name, run)

        def series(comparison: xr.Dataset, name: str) -> Any:
            return lambda path: write_series(comparison.expand_dims(model=[name]), path)

        return StudyResult(
            study=self,
            verdicts=judge_all(self.checks, trained),
            sections=sections(self, trained),
            datasets={f"comparison-{name}": network.comparison for name, network in trained.items()}
            | {f"tones-{name}": network.tones for name, network in trained.items() if len(network.lives)},
            seconds=clock.seconds,
            files={f"network-{name}.nc": network.run.save for name, network in trained.items()}
            | {f"{name}.pvd": series(network.comparison, name) for name, network in trained.items()},
            details={"training": {name: network.facts() for name, network in trained.items()}},
        )

    def _compared(self, name: str, run: Run) -> TrainedNetwork:
        sources: dict[str, ErrorField] = {}
        forecast = None
        if name in self.predicted:
            # A plain start has an output of its own: the prediction then starts from the measured residual.
            start = run.initial if self.training.start == "plain" else self._data
            forecast = self._predictor(self.predicted[name], start).solve(self._forecast_times(run.times))
            sources[self.predicted_by] = forecast.until(run.times[-1])
        sources["network"] = run
        comparison = compare(sources, frequency_grid(self._data, self.frequencies.half_width))
        return TrainedNetwork(
            run=run,
            comparison=comparison,
            tones=tone_lives(run, forecast, self.tones(self._data.dim)),
            prediction=None if forecast is None else self.predicted_by,
        )

    def _forecast_times(self, times: FloatArray) -> FloatArray:
        last = times[-1]
        if self.horizon is None or self.horizon <= last:
            return times
        count = int(np.ceil(20 * np.log10(self.horizon / last)))
        return np.concatenate([times, np.geomspace(last, self.horizon, count + 1)[1:]])
