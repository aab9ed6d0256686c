r"""Networks of any depth, specified: what is drawn, what is trained, what is computed.

A specification is a frozen dataclass of numbers and names that can stand in an experiment file as it is (its
field ``kind`` names the class). It holds no parameters: :meth:`ModuleSpec.draw` draws those of one network, and
:meth:`ModuleSpec.features` and :meth:`ModuleSpec.outputs` evaluate any number of networks at once.
:func:`harness.module_training.train_module` trains what a specification describes.

All hidden layers follow one rule. With ``h_0`` the features of a point,

.. math::

    z_l = W_l h_{l-1} g_{l-1} / \sqrt{m_{l-1}} + b_l , \qquad h_l = σ(z_l) , \qquad
    N = a·h_L \, g_L / \sqrt{m_L} ,

all entries of ``W`` are standard normal, those of ``a`` have standard deviation ``σ_a``, and ``g_l`` is the
gain ``(E σ(z)²)^{-1/2}`` of the activation (``√2`` for ReLU), 1 for features. This is the *tangent-kernel
parametrisation*: the kernel of a wide network tends to a limit (for Fourier features and ReLU the recursion of
arc-cosine kernels), and training time ``t = Σ η`` means the same at every width. In the *standard*
parametrisation the same numbers are drawn with the factors already inside; it is the same function at the
start, but the step of a hidden layer is ``m`` times larger relative to it, and that is what recipes
for Adam are tuned for.

>>> import fefreq
>>> spec = DeepFourierFeatureNetwork(fefreq.Gaussian(4.0), width=64, hidden_layers=3)
>>> sorted(spec.draw(channels=1, rng=np.random.default_rng(0)))
['frequency', 'hidden1', 'hidden2', 'hidden3', 'output']
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

import numpy as np

from fefreq._arrays import FloatArray
from fefreq._schema import ByKind
from fefreq.densities import AnyDensity

if TYPE_CHECKING:
    from torch import Tensor

    Blocks = Mapping[str, Tensor]

Activation = Literal["relu", "tanh", "sine", "erf", "gelu"]
BiasLaw = Literal["zero", "normal", "uniform"]
Parametrisation = Literal["tangent-kernel", "standard"]


@dataclass(frozen=True)
class LayerRates:
    """Block learning rates of a deep network: factors on the step of each group of parameters; 0 freezes it.

    Attributes
    ----------
    output, hidden, frequency, bias : float
        Output weights, hidden weights, first-layer frequencies (in cycles per unit length; frozen by default,
        as is usual behind random features), biases.

    Raises
    ------
    ValueError
        If a factor is negative or not finite, or if all are zero.
    """

    output: float = 1.0
    hidden: float = 1.0
    frequency: float = 0.0
    bias: float = 1.0

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        for name in ("output", "hidden", "frequency", "bias"):
            require_at_least(f"the {name} rate", getattr(self, name), 0.0)
        if self.output == self.hidden == self.frequency == self.bias == 0:
            raise ValueError("all rates are zero, so nothing would be trained: set at least one above 0")


class ModuleSpec(ABC):
    """What a network is, before any number is drawn.

    Blocks are named arrays. Every block has a rate (:attr:`rates`) and a factor (:attr:`factors`): the network
    computes with ``factor × block``, and the block is what is stored and trained.

    Attributes
    ----------
    width : int
        Units of a hidden layer.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}
    feature_blocks: ClassVar[tuple[str, ...]] = ()

    width: int

    @property
    @abstractmethod
    def dim(self) -> int:
        """Number of coordinates."""

    @property
    def rates(self) -> Mapping[str, float]:
        """Rates of the blocks that do not have rate 1."""
        return {}

    @property
    def factors(self) -> Mapping[str, float | FloatArray]:
        """Factors of the blocks that do not have factor 1; arrays broadcast against the block."""
        return {}

    @abstractmethod
    def draw(self, channels: int, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Draw the blocks of one network with ``channels`` outputs."""

    @abstractmethod
    def features(self, blocks: Blocks, points: Tensor) -> Tensor:
        """Evaluate the part of the network that depends on :attr:`feature_blocks` only.

        Parameters
        ----------
        blocks : mapping of str to Tensor
            Factors included, members along the first axis.
        points : Tensor, shape (1, n, d) or (S, n, d)

        Returns
        -------
        Tensor, shape (S, …, n, K) or (1, …, n, K)
        """

    @abstractmethod
    def outputs(self, blocks: Blocks, features: Tensor) -> Tensor:
        """Evaluate the rest, shape ``(S, n, C)``."""

    def entries(self, points: int) -> int:
        """Numbers in the widest layer of one network at ``points`` points."""
        return points * self.width

    def _store(self, **fields: object) -> None:
        """Set fields of a frozen dataclass to their checked form, from ``__post_init__`` only."""
        for name, value in fields.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class DeepFourierFeatureNetwork(ModuleSpec):
    """Hidden layers on random Fourier features, ``h_0 = [cos 2πw_k·x, sin 2πw_k·x]``, ``w_k ~ ρ``.

    Without hidden layers it is the two-layer network of arXiv 2405.14957. With frozen frequencies its
    tangent kernel is stationary at infinite width: a function of ``κ(x - y)`` alone.

    Parameters
    ----------
    density : Density
        Distribution of the frequencies, cycles per unit length.
    width : int
        Units of every hidden layer.
    hidden_layers : int
        Number ``L ≥ 0`` of hidden layers between features and output.
    activation : {'relu', 'tanh', 'sine', 'erf', 'gelu'}
    features_drawn : int, optional
        Number ``m_0`` of frequencies, ``width`` by default; there are twice as many features.
    output_std : float
        Standard deviation ``σ_a`` of the output weights.
    bias_std : float
        Standard deviation of the biases of hidden layers; at 0 there are none, as the theory has it.
    rates : LayerRates
        ``LayerRates(frequency=1)`` trains the random features too.
    parametrisation : {'tangent-kernel', 'standard'}

    Raises
    ------
    ValueError
        If a size, a standard deviation or a name is impossible.
    """

    density: AnyDensity
    width: int
    hidden_layers: int = 3
    activation: Activation = "relu"
    features_drawn: int | None = None
    output_std: float = 1.0
    bias_std: float = 0.0
    rates_by_block: LayerRates = field(default_factory=LayerRates)
    parametrisation: Parametrisation = "tangent-kernel"
    kind: Literal["deep-fourier-features"] = field(default="deep-fourier-features", kw_only=True, repr=False)

    feature_blocks: ClassVar[tuple[str, ...]] = ("frequency",)
