"""What a study of networks may insist on, as tables of its file."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from fefreq.experiments.schema import Section
from fefreq.support.schema import ByKind
from harness.comparison.checks import Check, require_tone
from harness.comparison.verdicts import Verdict
from harness.studies.networks.orders import spread
from harness.studies.networks.trained import TrainedNetwork

Trained = Mapping[str, TrainedNetwork]


@dataclass(frozen=True)
class NetworksPlan:
    """What is known of a study of networks before the work.

    Attributes
    ----------
    networks, predicted : tuple of str
        Names of all networks, and of those with a prediction.
    tones : int
        Number of tones.
    """

    networks: tuple[str, ...]
    predicted: tuple[str, ...]
    tones: int


class NetworksCheck(Section, Check[NetworksPlan, Trained]):
    """A check of networks by name."""

    needs_prediction: ClassVar[bool] = False
    needs_tones: ClassVar[int] = 0

    def concerned(self, networks: tuple[str, ...], predicted: tuple[str, ...]) -> tuple[str, ...]:
        """Names of the networks that it is about: those that it names, or all that it can be asked of."""
        named: str | tuple[str, ...] | None = getattr(self, "network", None) or getattr(
            self, "networks", None
        )
        if named is None:
            return predicted if self.needs_prediction else networks
        return (named,) if isinstance(named, str) else named

    def require(self, context: NetworksPlan, path: str) -> None:
        """Refuse networks, predictions and tones that are not there."""
        names = self.concerned(context.networks, context.predicted)
        for name in names:
            if name not in context.networks:
                raise ValueError(
                    f"{path}: there is no network {name!r}; there are {', '.join(context.networks)}"
                )
        if self.needs_prediction:
            missing = [name for name in names if name not in context.predicted]
            if missing or not names:
                raise ValueError(
                    f"{path}: {', '.join(missing) or 'no network'} has a prediction to be held against: "
                    "give [predictions.NAME]"
                )
        if context.tones < self.needs_tones:
            raise ValueError(f"{path}: it takes two tones to be compared, but there are {context.tones}")
        for key in ("sooner", "later"):
            if (index := getattr(self, key, None)) is not None:
                require_tone(index, context.tones, f"{path}.{key}")


class EachNetworkCheck(NetworksCheck):
    """A check with a verdict for every network that it is about."""

    def judge(self, findings: Trained) -> tuple[Verdict, ...]:
        """The verdicts, each led by the name of its network."""
        predicted = tuple(name for name, network in findings.items() if network.prediction is not None)
        names = self.concerned(tuple(findings), predicted)
        return tuple(self.of(findings[name]).about(name) for name in names)

    @abstractmethod
    def of(self, network: TrainedNetwork) -> Verdict:
        """The verdict on one network."""


class RankCheck(EachNetworkCheck):
    """Networks learn the tones in the order that their predictions say: Spearman's rank correlation of half-lives."""

    needs_prediction: ClassVar[bool] = True
    needs_tones: ClassVar[int] = 2
    kind: Literal["rank"]
    networks: tuple[str, ...] | None = Field(
        None, description="names of networks; by default all that have a prediction"
    )
    at_least: float = Field(ge=-1, le=1, description="smallest rank correlation")

    def of(self, network: TrainedNetwork) -> Verdict:
        """The rank correlation."""
        return Verdict(
            "tones in the predicted order",
            f"rank correlation {network.rank:.3g}",
            f"≥ {self.at_least:g}",
            bool(network.rank >= self.at_least),
        )


class SoonerCheck(EachNetworkCheck):
    """A network learns one tone sooner than another by at least a factor."""

    kind: Literal["sooner"]
    network: str = Field(description="name of the network")
    sooner: int = Field(ge=0, description="index of the tone that is learned first")
    later: int = Field(ge=0, description="index of the other tone")
    factor: PositiveFloat = Field(1.0, description="smallest ratio of half-lives")

    def of(self, network: TrainedNetwork) -> Verdict:
        """The ratio of half-lives, a lower bound where the later one is beyond the last snapshot."""
        lives, end = network.lives, network.run.times[-1]
        ratio = min(lives[self.later], end) / lives[self.sooner]
        bound = "at least " if lives[self.later] > end else ""
        return Verdict(
            f"tone {self.sooner} learned sooner than tone {self.later}",
            f"{bound}{ratio:.4g} times",
            f"≥ {self.factor:g} times",
            bool(ratio >= self.factor and np.isfinite(lives[self.sooner])),
        )


class TogetherCheck(EachNetworkCheck):
    """A network learns all tones at about the same time."""

    needs_tones: ClassVar[int] = 2
    kind: Literal["together"]
    network: str = Field(description="name of the network")
    tolerance: PositiveFloat = Field(description="largest half-life over the smallest, minus 1")

    def of(self, network: TrainedNetwork) -> Verdict:
        """The spread of half-lives."""
        wide = spread(network.lives)
        return Verdict(
            "all tones learned at about the same time",
            f"half-lives spread by {wide:.1%}",
            f"≤ {self.tolerance:.1%}",
            bool(wide <= self.tolerance),
        )


class FollowsCheck(EachNetworkCheck):
    """The field of a network stays close to its prediction at every time, relative to the initial error."""

    needs_prediction: ClassVar[bool] = True
    kind: Literal["follows"]
    networks: tuple[str, ...] | None = Field(
        None, description="names of networks; by default all that have a prediction"
    )
    tolerance: PositiveFloat = Field(
        description="largest relative L2 difference, mean over seeds, at any time"
    )

    def of(self, network: TrainedNetwork) -> Verdict:
        """The largest difference over times."""
        difference = network.comparison.difference.sel(source="network").values
        at = int(np.argmax(difference))
        return Verdict(
            "field against the prediction, mean over seeds",
            f"{difference[at]:.2%} of the initial error, at t = {network.run.times[at]:.3g}",
            f"≤ {self.tolerance:.2%}",
            bool(difference[at] <= self.tolerance),
        )


class LearnedCheck(EachNetworkCheck):
    """Little of the error is left at the last snapshot, in the mean over seeds."""

    kind: Literal["learned"]
    networks: tuple[str, ...] | None = Field(None, description="names of networks; by default all")
    at_most: float = Field(gt=0, lt=1, description="largest share of the initial error (L2 norm)")

    def of(self, network: TrainedNetwork) -> Verdict:
        """The share that is left."""
        left = float(network.comparison.remaining.sel(source="network")[-1])
        return Verdict("error left at the end", f"{left:.2%}", f"≤ {self.at_most:.2%}", left <= self.at_most)


class EvenerCheck(NetworksCheck):
    """Every network of a list learns the tones closer together in time than the one before."""

    needs_tones: ClassVar[int] = 2
    kind: Literal["evener"]
    networks: tuple[str, ...] = Field(min_length=2, description="names of networks, the most biased first")

    def judge(self, findings: Trained) -> tuple[Verdict, ...]:
        """Whether ratios of half-lives fall; one beyond the last snapshot is at least that, so its ratio is a bound."""
        trained = [findings[name] for name in self.networks]
        ratios = [float(np.minimum(n.lives, n.run.times[-1]).max() / n.lives.min()) for n in trained]
        exact = [bool(np.all(np.isfinite(network.lives))) for network in trained]
        falling = all(later < sooner for sooner, later in pairwise(ratios))
        shown = ", ".join(
            ("" if known else "at least ") + f"{ratio:.3g}"
            for ratio, known in zip(ratios, exact, strict=True)
        )
        return (
            Verdict(
                f"tones learned closer together from {' to '.join(self.networks)}",
                f"largest over smallest half-life {shown}",
                "each smaller than the one before",
                falling and all(exact[1:]),
            ),
        )


NetworkCheck = Annotated[
    RankCheck | SoonerCheck | TogetherCheck | FollowsCheck | LearnedCheck | EvenerCheck, ByKind()
]
