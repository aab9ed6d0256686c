"""Train real networks and hold them against what :mod:`fefreq` predicts.

>>> import numpy as np, fefreq, harness
>>> target = fefreq.Target.from_function(lambda x: np.exp(-8 * x[:, 0] ** 2), bounds=[(-1, 1)], shape=128)
>>> model = fefreq.FourierFeatures(fefreq.Gaussian(scale=2.0), output_std=0.5)
>>> times = [0, 1, 10]
>>> prediction = fefreq.FrequencyDiffusion(model, target).solve(times)
>>> run = harness.train(model, target, width=4096, times=times, learning_rate=0.2)
>>> data = harness.compare({"pde": prediction, "network": run}, np.linspace(-4, 4, 65))
>>> bool(data.difference.sel(source="network").max() < 0.05)
True
"""

from importlib import import_module
from typing import TYPE_CHECKING

# Where each public name lives. Modules load on first use, so that the command line starts fast.
_HOMES = {
    "Checkpoints": "training.checkpoints",
    "Run": "training.runs",
    "compare": "comparison.compare",
    "error_split": "comparison.split",
    "fourier_frequencies_": "networks.initialisers",
    "run_experiment": "studies.comparison.pipeline",
    "sweep": "sweeps",
    "train": "training.runs",
    "train_module": "training.module_training",
    "write_outcome": "studies.comparison.results",
}

__all__ = [
    "Checkpoints",
    "Run",
    "compare",
    "error_split",
    "fourier_frequencies_",
    "run_experiment",
    "sweep",
    "train",
    "train_module",
    "write_outcome",
]

if TYPE_CHECKING:
    from harness.comparison.compare import compare
    from harness.comparison.split import error_split
    from harness.networks.initialisers import fourier_frequencies_
    from harness.studies.comparison.pipeline import run_experiment
    from harness.studies.comparison.results import write_outcome
    from harness.sweeps import sweep
    from harness.training.checkpoints import Checkpoints
    from harness.training.module_training import train_module
    from harness.training.runs import Run, train


def __getattr__(name: str) -> object:
    if name in _HOMES:
        value = getattr(import_module(f"harness.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'harness' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
