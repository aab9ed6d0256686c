"""What all training has in common: settings that are checked before anything begins, the plan, and the way along it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.metadata import version
from typing import ClassVar, Generic, Literal, TypeVar

import numpy as np

from fefreq.models import Model
from fefreq.support.progress import Progress
from fefreq.targets.target import Target
from harness.networks.spec import require_choice, require_count
from harness.training.checkpoints import Checkpoints
from harness.training.engine import Engine
from harness.training.plan import Plan
from harness.training.recorder import Observer, record
from harness.training.run import Run, Setting

Precision = Literal["float64", "float32"]
Device = Literal["cpu", "cuda"]
EngineT = TypeVar("EngineT", bound=Engine)

# Share of the stability limit that is taken where no learning rate is given. Steps of size η change a mode of
# rate λ by at most 0.18 ηλ of its start, so by 4 % for the fastest one and less for all others.
DEFAULT_SHARE = 0.1


class Trainer(ABC, Generic[EngineT]):
    """Training that has been checked and can begin.

    Attributes
    ----------
    target : Target
    seeds, seed : int
        Number of networks, and where all random numbers begin.
    precision, device : str
    """

    target: Target
    seeds: int
    seed: int
    precision: Precision
    device: Device
    # Packages whose versions decide the last bits.
    packages: ClassVar[tuple[str, ...]] = ("fefreq", "numpy", "torch")

    def train(
        self,
        progress: Progress | None = None,
        checkpoints: Checkpoints | None = None,
        observer: Observer | None = None,
    ) -> Run:
        """Train all networks from the start, or from where checkpoints have kept them.

        Raises
        ------
        DivergenceError
            A ``FloatingPointError``: a loss is not finite, or grew without bound under full-batch descent. Its
            attribute ``run`` has the snapshots before.
        OSError
            If a checkpoint cannot be written.
        ValueError
            If the checkpoints are of another experiment or version, or damaged.
        """
        engine = self.engine()
        return record(self.plan(engine), engine, progress, checkpoints, observer)

    @abstractmethod
    def engine(self) -> EngineT:
        """The networks at their start."""

    @abstractmethod
    def plan(self, engine: EngineT) -> Plan:
        """The whole way."""

    def _require_common(self) -> None:
        for name, lowest in (("seeds", 1), ("seed", 0)):
            require_count(name, getattr(self, name), lowest)
        require_choice("precision", self.precision, Precision)
        require_choice("device", self.device, Device)
        if self.device == "cuda":
            import torch

            if not torch.cuda.is_available():
                raise ValueError("CUDA was asked for, but torch finds no such device here: use device='cpu'")

    def _settings(self, start: str, **others: Setting) -> dict[str, Setting]:
        """Seed, start, precision, device, what else decides the result, threads and versions."""
        return {
            "seed": self.seed,
            "start": start,
            "precision": self.precision,
            "device": self.device,
            **others,
            **machine(*self.packages),
        }


def machine(*packages: str) -> dict[str, Setting]:
    """Threads and versions of packages, which decide the last bits."""
    import torch

    return {
        "threads": torch.get_num_threads(),
        **{f"{name} version": version(name) for name in packages},
    }


def stable_rate(model: Model, target: Target, rate: float | None) -> float:
    """A learning rate below the stability limit ``2 / λ_max`` of the infinitely wide network, by default a tenth of it.

    Raises
    ------
    ValueError
        If a rate is given that is not positive, or not stable; the message states the limit.
    """
    from fefreq.kernel.operator import largest_rate

    if rate is not None and not (np.isfinite(rate) and rate > 0):
        raise ValueError(f"learning_rate must be positive and finite, not {rate}")
    limit = 2 / largest_rate(model, target)
    if rate is None:
        return default_rate(limit)
    if rate >= limit:
        raise ValueError(
            f"learning_rate is {rate}, but descent on this model and target is stable only below "
            f"2 / λ_max = {limit:.4g}: choose a smaller one"
        )
    return float(rate)


def default_rate(limit: float) -> float:
    """A tenth of a stability limit, to six digits: the last bits of eigenvalues depend on the number of threads.

    >>> default_rate(20 / 3)
    0.666667
    """
    return float(f"{DEFAULT_SHARE * limit:.6g}")
