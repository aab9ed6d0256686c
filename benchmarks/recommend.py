"""The recommendation of a scale: seconds in the shell, on large images, and against a sweep of trainings.

Run with ``python benchmarks/recommend.py``; some minutes, nearly all of them inside the trainings that it is compared
with (``--steps 200`` makes that a tenth).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fefreq.initialisation.scale.search import recommend_scale
from fefreq.targets.readers import read_image
from harness.studies.scale_choice.images import image_named
from harness.studies.scale_choice.study import ScaleChoice, SweepTraining
from harness.studies.scale_choice.training import train_on

SCALES = (1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0)
MANY_SCALES = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0)
UNIT = [(0.0, 1.0), (0.0, 1.0)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2000, help="steps of every training")
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    measure_command()
    measure_sweep(arguments.steps)
    measure_colour()


def report(what: str, value: str, wanted: str = "") -> None:
    print(f"{what:<74} {value:>16}   {wanted}", flush=True)


def measure_command() -> None:
    """From a cold start of Python to a written report."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photograph.png"
        Image.fromarray((255 * image_named("photograph", 128)).astype(np.uint8)).save(path)
        scales = ",".join(f"{scale:g}" for scale in SCALES)
        program = "from fefreq.experiments.commands import main; main()"
        command = ["recommend", str(path), "-o", f"{folder}/out", "--bounds", "0,1", "--scales", scales]
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", program, *command], check=True, capture_output=True)
        report("fefreq recommend, 128 x 128, 8 scales", f"{time.perf_counter() - start:.1f} s", "under 10 s")


def measure_sweep(steps: int) -> None:
    """The same sweep, predicted and trained."""
    study = ScaleChoice(
        kind="scale-choice",
        title="",
        images=("photograph",),
        scales=SCALES,
        training=SweepTraining(steps=steps, batch=256),
    )
    start = time.perf_counter()
    advice = study.recommendation("photograph")
    predicted = time.perf_counter() - start
    split = study.split("photograph")
    start = time.perf_counter()
    trained = [train_on(split, study.network(scale)) for scale in SCALES]
    seconds = time.perf_counter() - start
    best = SCALES[int(np.argmin([each.heldout_mse for each in trained]))]
    report("  8 scales predicted, and the best one", f"{predicted:.1f} s, {advice.best.scale:g}")
    report(f"  8 scales trained for {steps} steps, and the best one", f"{seconds:.0f} s, {best:g}")
    report("  ratio", f"{seconds / predicted:.0f}", "at least 20" if steps == 2000 else "")


def measure_colour() -> None:
    """A colour photograph of 512 x 512 pixels; memory is the peak of the process so far."""
    from matplotlib.cbook import get_sample_data

    image = read_image(Path(str(get_sample_data("grace_hopper.jpg", asfileobj=False))))[:512, :512]
    start = time.perf_counter()
    advice = recommend_scale(image, UNIT, scales=MANY_SCALES)
    elapsed = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    report(f"512 x 512 x 3, 12 scales; best {advice.best.scale:g}", f"{elapsed:.0f} s", "under 180 s")
    report("  peak memory of the process", f"{peak / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
