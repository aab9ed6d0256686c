"""Three kinds of networks on the same data: ReLU on coordinates, ReLU on encoded coordinates, and Fourier features.

Their error fields are measured in one way and lie on one axis of time: all are trained by full-batch gradient descent
on ``½ Σ_j q_j u(x_j)²``, with ``t = Σ η``. The diffusion equation predicts the networks on Fourier features. It is no
prediction of the ReLU networks, whose tangent kernel is another one and moves: these are measured only, and what
becomes of their regions and gradients stands beside their error.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fefreq.diffusion.problem import FrequencyDiffusion
from fefreq.fields.error_field import ErrorField
from harness.comparison.compare import compare
from harness.comparison.grid import frequency_grid
from harness.comparison.tones import tone_table
from harness.relu.recording import Recording, stacked_recordings
from harness.reports.series import write_series
from harness.studies.study import StudyResult
from harness.studies.timings import Timings

if TYPE_CHECKING:
    from fefreq.support.progress import Progress
    from harness.training.checkpoints import Checkpoints
from harness.comparison.checks import judge_all
from harness.studies.relu_vs_fourier_features.checks import FOURIER, PREDICTED, Found
from harness.studies.relu_vs_fourier_features.file import ReluVsFourierFeaturesFile


class ReluVsFourierFeatures(ReluVsFourierFeaturesFile):
    """Error fields of ReLU networks beside those of Fourier features, which alone are predicted."""

    def carry_out(self, progress: Progress, checkpoints: Checkpoints | None = None) -> StudyResult:
        """Predict and train the networks of the model, train and measure the ReLU networks, and compare."""
        from harness.studies.relu_dynamics.file import without_warnings
        from harness.studies.relu_vs_fourier_features.report import sections

        clock, target, times = Timings(), self.target.make(), self.time_values()
        frequencies = frequency_grid(target)
        with clock.during("diffusion equation"):
            predicted = FrequencyDiffusion(self.model, target).solve(times)
        with clock.during("Fourier features"):
            trained = self._trainer(target).train(progress, checkpoints and checkpoints.named(FOURIER))
        recordings: dict[str, Recording] = {}
        trackers, cautions = without_warnings(lambda: self.trackers(target))
        for name, tracker in trackers.items():
            with clock.during(name):
                recordings[name] = tracker.run(progress, checkpoints and checkpoints.named(name))
        sources: dict[str, ErrorField] = {PREDICTED: predicted, FOURIER: trained, **recordings}
        # The prediction is of the Fourier features alone: nothing else is held against it.
        comparison = compare(sources, frequencies, reference=PREDICTED)
        own = comparison.source.isin([PREDICTED, FOURIER])
        comparison["difference"] = comparison.difference.where(own)
        comparison = comparison.drop_vars("member_difference", errors="ignore")
        tones = tone_table(sources, self.target.tones())
        moduli = {name: np.abs(source.at(self.target.tones())) for name, source in sources.items()}
        tones["left"] = (("source", "frequency"), np.stack([m[-1] / m[0] for m in moduli.values()]))
        dynamics = stacked_recordings(recordings)
        return StudyResult(
            self,
            judge_all(self.checks, Found(comparison, tones)),
            sections(self, comparison, tones, dynamics, cautions),
            {"comparison": comparison, "tones": tones, "dynamics": dynamics},
            clock.seconds,
            self._files(recordings, comparison),
            {"warnings": list(cautions), "prediction": predicted.stats.to_dict()},
        )

    def _files(
        self, recordings: dict[str, Recording], comparison: xr.Dataset
    ) -> dict[str, Callable[[Path], object]]:
        files: dict[str, Callable[[Path], object]] = {
            f"networks-{name}.nc": recording.save for name, recording in recordings.items()
        }
        series = comparison.expand_dims(model=["model"])
        files["error.pvd"] = lambda path: write_series(series, path)
        return files
