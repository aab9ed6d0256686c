"""What a study of networks may insist on, as tables of its file, and the verdicts on it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from fefreq.experiments.schema import Section as Keys
from fefreq.support.schema import ByKind
from harness.comparison.verdicts import Verdict
from harness.studies.networks.orders import spread

if TYPE_CHECKING:
    from harness.studies.networks.trained import TrainedNetwork


class RankCheck(Keys):
    """Networks learn the tones in the order that their predictions say: Spearman's rank correlation of half-lives."""

    kind: Literal["rank"]
    networks: tuple[str, ...] | None = Field(
        None, description="names of networks; by default all that have a prediction"
    )
    at_least: float = Field(ge=-1, le=1, description="smallest rank correlation")


class SoonerCheck(Keys):
    """A network learns one tone sooner than another by at least a factor."""

    kind: Literal["sooner"]
    network: str = Field(description="name of the network")
    sooner: int = Field(ge=0, description="index of the tone that is learned first")
    later: int = Field(ge=0, description="index of the other tone")
    factor: PositiveFloat = Field(1.0, description="smallest ratio of half-lives")


class TogetherCheck(Keys):
    """A network learns all tones at about the same time."""

    kind: Literal["together"]
    network: str = Field(description="name of the network")
    tolerance: PositiveFloat = Field(description="largest half-life over the smallest, minus 1")


class FollowsCheck(Keys):
    """The field of a network stays close to its prediction at every time, relative to the initial error."""

    kind: Literal["follows"]
    networks: tuple[str, ...] | None = Field(
        None, description="names of networks; by default all that have a prediction"
    )
    tolerance: PositiveFloat = Field(
        description="largest relative L2 difference, mean over seeds, at any time"
    )


class LearnedCheck(Keys):
    """Little of the error is left at the last snapshot, in the mean over seeds."""

    kind: Literal["learned"]
    networks: tuple[str, ...] | None = Field(None, description="names of networks; by default all")
    at_most: float = Field(gt=0, lt=1, description="largest share of the initial error (L2 norm)")


class EvenerCheck(Keys):
    """Every network of a list learns the tones closer together in time than the one before."""

    kind: Literal["evener"]
    networks: tuple[str, ...] = Field(min_length=2, description="names of networks, the most biased first")


NetworkCheck = Annotated[
    RankCheck | SoonerCheck | TogetherCheck | FollowsCheck | LearnedCheck | EvenerCheck, ByKind()
]


def names_of(check: NetworkCheck, networks: list[str], predicted: list[str]) -> list[str]:
    """Names of the networks that a check is about."""
    if isinstance(check, (SoonerCheck, TogetherCheck)):
        return [check.network]
    if check.networks is not None:
        return list(check.networks)
    return networks if isinstance(check, LearnedCheck) else predicted


def require_meaning(
    check: NetworkCheck, path: str, networks: list[str], predicted: list[str], tones: int
) -> None:
    """Refuse a check that could not be evaluated, before anything is computed.

    Raises
    ------
    ValueError
        If it names a network, a prediction or a tone that there is not.
    """
    names = names_of(check, networks, predicted)
    for name in names:
        if name not in networks:
            raise ValueError(f"{path}: there is no network {name!r}; there are {', '.join(networks)}")
    if isinstance(check, (RankCheck, FollowsCheck)):
        missing = [name for name in names if name not in predicted]
        if missing or not names:
            raise ValueError(
                f"{path}: {', '.join(missing) or 'no network'} has a prediction to be held against: "
                "give [predictions.NAME]"
            )
    if isinstance(check, (RankCheck, TogetherCheck, EvenerCheck)) and tones < 2:
        raise ValueError(f"{path}: it takes two tones to be compared, but there are {tones}")
    if isinstance(check, SoonerCheck):
        for key in ("sooner", "later"):
            if getattr(check, key) >= tones:
                raise ValueError(
                    f"{path}.{key}: there is no tone {getattr(check, key)}; there are {tones}, counted from 0"
                )


def judge(check: NetworkCheck, trained: dict[str, TrainedNetwork]) -> tuple[Verdict, ...]:
    """Evaluate a check on every network that it is about."""
    predicted = [name for name, network in trained.items() if network.prediction is not None]
    names = names_of(check, list(trained), predicted)
    if isinstance(check, EvenerCheck):
        return (_evener({name: trained[name] for name in names}),)
    return tuple(_judge_one(check, name, trained[name]) for name in names)


def _evener(trained: dict[str, TrainedNetwork]) -> Verdict:
    # A half-life beyond the last snapshot is at least that: the ratio is then a lower bound.
    ratios = [
        float(np.minimum(network.lives, network.run.times[-1]).max() / network.lives.min())
        for network in trained.values()
    ]
    exact = [bool(np.all(np.isfinite(network.lives))) for network in trained.values()]
    falling = all(later < sooner for sooner, later in pairwise(ratios))
    shown = ", ".join(
        ("" if known else "at least ") + f"{ratio:.3g}" for ratio, known in zip(ratios, exact, strict=True)
    )
    return Verdict(
        f"tones learned closer together from {' to '.join(trained)}",
        f"largest over smallest half-life {shown}",
        "each smaller than the one before",
        falling and all(exact[1:]),
    )


def _judge_one(check: NetworkCheck, name: str, network: TrainedNetwork) -> Verdict:
    lives, end = network.lives, network.run.times[-1]
    match check:
        case RankCheck():
            rank = network.rank
            return Verdict(
                f"{name}: tones in the predicted order",
                f"rank correlation {rank:.3g}",
                f"≥ {check.at_least:g}",
                bool(rank >= check.at_least),
            )
        case SoonerCheck():
            # A half-life beyond the last snapshot is at least that: the ratio is then a lower bound.
            ratio = min(lives[check.later], end) / lives[check.sooner]
            bound = "at least " if lives[check.later] > end else ""
            return Verdict(
                f"{name}: tone {check.sooner} learned sooner than tone {check.later}",
                f"{bound}{ratio:.4g} times",
                f"≥ {check.factor:g} times",
                bool(ratio >= check.factor and np.isfinite(lives[check.sooner])),
            )
        case TogetherCheck():
            wide = spread(lives)
            return Verdict(
                f"{name}: all tones learned at about the same time",
                f"half-lives spread by {wide:.1%}",
                f"≤ {check.tolerance:.1%}",
                bool(wide <= check.tolerance),
            )
        case FollowsCheck():
            difference = network.comparison.difference.sel(source="network").values
            at = int(np.argmax(difference))
            return Verdict(
                f"{name}: field against the prediction, mean over seeds",
                f"{difference[at]:.2%} of the initial error, at t = {network.run.times[at]:.3g}",
                f"≤ {check.tolerance:.2%}",
                bool(difference[at] <= check.tolerance),
            )
        case LearnedCheck():
            left = float(network.comparison.remaining.sel(source="network")[-1])
            return Verdict(
                f"{name}: error left at the end",
                f"{left:.2%}",
                f"≤ {check.at_most:.2%}",
                left <= check.at_most,
            )
    raise AssertionError(f"no way to evaluate {check!r}")
