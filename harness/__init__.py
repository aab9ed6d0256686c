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
    "Checkpoints": "checkpoints",
    "Run": "runs",
    "compare": "comparison",
    "error_split": "split",
    "fourier_frequencies_": "initialisers",
    "run_experiment": "pipeline",
    "sweep": "sweeps",
    "train": "runs",
    "train_module": "module_training",
    "write_outcome": "results",
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
    from harness.checkpoints import Checkpoints
    from harness.comparison import compare
    from harness.initialisers import fourier_frequencies_
    from harness.module_training import train_module
    from harness.pipeline import run_experiment
    from harness.results import write_outcome
    from harness.runs import Run, train
    from harness.split import error_split
    from harness.sweeps import sweep


def __getattr__(name: str) -> object:
    if name in _HOMES:
        value = getattr(import_module(f"harness.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'harness' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
