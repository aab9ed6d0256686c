"""ReLU coordinate networks from the inside: regions, gradients and the error spectrum during training.

After Lazzari and Liu (arXiv 2301.05816): one set of data, networks of one size, and several conditions of what they see
of it, coordinates in an interval or a sinusoidal encoding of them. For every condition networks are trained and
measured on the way (:func:`harness.relu.track`); checks then hold what was measured against what
others have found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from fefreq.output.image_data import ImageGrid
from fefreq.targets.target import Grid
from harness.comparison.checks import judge_all
from harness.relu import ReluNetwork, activation_patterns
from harness.relu.recording import Recording, stacked_recordings
from harness.reports.series import write_series
from harness.studies.study import StudyResult
from harness.studies.timings import Timings

if TYPE_CHECKING:
    from fefreq.support.progress import Progress
    from harness.training.checkpoints import Checkpoints
from harness.studies.relu_dynamics.file import ReluDynamicsFile, without_warnings

# Points along each edge of the region maps that are written for ParaView.
MAP_POINTS = 256


class ReluDynamics(ReluDynamicsFile):
    """Activation regions, gradients and error spectra of ReLU networks in training, by input condition."""

    def carry_out(self, progress: Progress, checkpoints: Checkpoints | None = None) -> StudyResult:
        """Train and measure the networks of all conditions, and judge what was measured."""
        from harness.studies.relu_dynamics.report import sections

        clock = Timings()
        trackers, cautions = without_warnings(self.trackers)
        recordings: dict[str, Recording] = {}
        for name, tracker in trackers.items():
            with clock.during(name):
                recordings[name] = tracker.run(progress, checkpoints and checkpoints.named(name))
        data = stacked_recordings(recordings)
        data.attrs |= {"title": self.title, "question": self.question}
        return StudyResult(
            self,
            judge_all(self.checks, data),
            sections(self, recordings, data, cautions),
            {"dynamics": data},
            clock.seconds,
            self._files(recordings, data),
            {
                "warnings": list(cautions),
                "expected": [asdict(verdict) for verdict in judge_all(self.expected, data)],
            },
        )

    def _files(
        self, recordings: dict[str, Recording], data: xr.Dataset
    ) -> dict[str, Callable[[Path], object]]:
        files: dict[str, Callable[[Path], object]] = {
            f"networks-{name}.nc": recording.save for name, recording in recordings.items()
        }
        if data.sizes["time"] > 1:
            files["error.pvd"] = lambda path: write_series(error_series(data), path)
        if next(iter(recordings.values())).target.dim == 2:
            for name, recording in recordings.items():
                files[f"regions-{name}.vti"] = lambda path, of=recording: write_region_map(of, path)  # type: ignore[misc]
        return files


def error_series(data: xr.Dataset) -> xr.Dataset:
    """Mean error fields of all conditions in the form of :func:`harness.reports.series.write_series`."""
    fields = data[["error"]].mean("seed").rename(condition="source")
    return fields.expand_dims(model=["relu"])


def write_region_map(recording: Recording, path: Path, points: int = MAP_POINTS) -> Path:
    """Write the activation regions of the first network over the plane as a ``.vti`` file.

    Arrays are called ``region_EPOCH`` (a number for every different pattern) and ``active_EPOCH`` (share of hidden
    units that are on).

    Parameters
    ----------
    recording : Recording
        Of data in two dimensions.
    path : path
        Does not exist yet.
    points : int
        Along each edge.
    """
    from fefreq.support.files import atomic

    lower, upper = recording.box
    grid = Grid.over(list(zip(lower, upper, strict=True)), (points,) * 2)
    seen = recording.seen(grid.points)
    arrays: dict[str, np.ndarray] = {}
    for epoch in recording.epochs:
        network = ReluNetwork.of(recording.network(epoch))
        patterns = activation_patterns(network, seen)
        arrays[f"region_{epoch:05d}"] = patterns.labels().astype(np.int32)
        arrays[f"active_{epoch:05d}"] = (np.bitwise_count(patterns.words).sum(axis=1) / network.units).astype(
            np.float32
        )
    with atomic(path) as temporary:
        ImageGrid(grid).write(temporary, arrays, compress=True)
    return path
