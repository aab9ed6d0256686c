r"""What every specification of a network can do, and the hidden layers that they share.

With ``h_0`` the features of a point and ``m_l`` the number of units of layer ``l``,

.. math::

    z_l = g_{l-1} W_l h_{l-1} / \sqrt{m_{l-1}} + b_l , \qquad h_l = σ(z_l) , \qquad
    N = g_L \, a·h_L / \sqrt{m_L} .

Entries of ``W`` are standard normal, those of ``a`` have standard deviation ``σ_a``; ``g_l`` is the gain
``(E σ(z)²)^{-1/2}`` of the activation (``√2`` for ReLU), and 1 for features. This is the *tangent-kernel*
parametrisation: the kernel of a wide network tends to a limit, and training time ``t = Σ η`` means the same at
every width. The *standard* parametrisation draws the same numbers with the factors already inside. It is the
same function at the start, but a step moves a hidden layer ``m / g²`` times as far under gradient descent, and
by about ``√m / g`` as far under Adam, whose usual learning rates are meant for it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import numpy as np

from fefreq.models import Model
from fefreq.support.arrays import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

Activation = Literal["relu", "tanh", "sine", "erf", "sigmoid", "gelu", "silu", "softplus"]
Parametrisation = Literal["tangent-kernel", "standard"]
# How a two-layer network begins.
Start = Literal["antisymmetric", "plain"]
Blocks = Mapping[str, "Tensor"]


@dataclass(frozen=True)
class LayerRates:
    """Block learning rates of a deep network: factors on the step of each group of parameters; 0 freezes it.

    Attributes
    ----------
    output, hidden, frequency, bias : float
        For the output weights, the hidden weights, the first-layer frequencies (in cycles per unit length)
        and all biases.

    Raises
    ------
    ValueError
        If a factor is negative or not finite, or if all are zero.
    """

    output: float = 1.0
    hidden: float = 1.0
    frequency: float = 1.0
    bias: float = 1.0

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        for name in ("output", "hidden", "frequency", "bias"):
            require_number(f"the {name} rate", getattr(self, name), 0.0)
        if self.output == self.hidden == self.frequency == self.bias == 0:
            raise ValueError("all rates are zero, so nothing would be trained: set at least one above 0")

    def of(self, blocks: Mapping[str, object]) -> dict[str, float]:
        """Rate of every block, by its name without the number of its layer."""
        return {name: float(getattr(self, name.rstrip("0123456789"))) for name in blocks}


class ModuleSpec(ABC):
    """What a network is, before any number is drawn.

    Parameters come in blocks, which are named arrays. The network computes with ``factor × block``
    (:meth:`factors`); the block is what is stored and trained, its step multiplied by its rate
    (:meth:`block_rates`).

    Attributes
    ----------
    width : int
        Units of a hidden layer.
    feature_blocks : tuple of str
        The blocks that :meth:`features` needs. If all of them are frozen, features are computed only once.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}
    feature_blocks: ClassVar[tuple[str, ...]] = ()

    width: int

    @property
    @abstractmethod
    def dim(self) -> int:
        """Number of coordinates."""

    @abstractmethod
    def draw(self, channels: int, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Draw the blocks of one network with ``channels`` outputs."""

    @abstractmethod
    def block_rates(self, blocks: Mapping[str, object]) -> dict[str, float]:
        """Rate of every block; 0 for a frozen one."""

    @abstractmethod
    def factors(self) -> dict[str, FloatArray | float]:
        """Factors of the blocks that have one; an array broadcasts against the block."""

    @abstractmethod
    def features(self, blocks: Blocks, points: Tensor) -> Tensor:
        """Evaluate the part of the networks that :attr:`feature_blocks` determine.

        Parameters
        ----------
        blocks : mapping of str to Tensor
            Factors included; the first axis counts networks.
        points : Tensor, shape (1, n, d) or (S, n, d)

        Returns
        -------
        Tensor, shape (S, …, n, K) or (1, n, K)
        """

    @abstractmethod
    def outputs(self, blocks: Blocks, features: Tensor) -> Tensor:
        """Evaluate the rest, shape ``(S, n, C)``."""

    def limit(self) -> Model | None:
        """What this network is when all its layers are infinitely wide, if the theory has a model of it.

        Times of network and model are the same then: ``t = Σ η`` of full-batch gradient descent.
        """
        return None

    def units(self) -> int:
        """Units of the widest layer, which decides how many networks fit into a cache together."""
        return self.width

    def _store(self, **fields: object) -> None:
        """Set fields of a frozen dataclass to their checked form, from ``__post_init__`` only."""
        for name, value in fields.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class HiddenLayers:
    """Hidden layers and the output layer, in the notation of this module's docstring.

    Blocks: ``hidden1`` … ``hiddenL``, ``bias1`` … ``biasL`` unless ``bias_std`` is 0, ``output``.

    Attributes
    ----------
    inputs : int
        Features that come in.
    mean_square : float
        Sum of their squares, which the first layer is divided by.
    width, count : int
        Units of a layer, and number ``L ≥ 0`` of hidden layers.
    activation : str
    output_std, bias_std : float
    parametrisation : str
    copies : tuple of int
        Shape of a leading axis of sub-networks, or empty.
    """

    inputs: int
    mean_square: float
    width: int
    count: int
    activation: Activation
    output_std: float
    bias_std: float
    parametrisation: Parametrisation
    copies: tuple[int, ...] = ()

    def draw(self, rng: np.random.Generator) -> dict[str, FloatArray]:
        """Draw all blocks but ``output``, whose place in the order of draws is the owner's business."""
        blocks = {}
        for layer in range(1, self.count + 1):
            fan_in = self.inputs if layer == 1 else self.width
            blocks[f"hidden{layer}"] = rng.standard_normal((*self.copies, fan_in, self.width))
            if self.bias_std > 0:
                blocks[f"bias{layer}"] = self.bias_std * rng.standard_normal((*self.copies, 1, self.width))
        return self._scaled(blocks)

    def output(self, standard_normal: FloatArray) -> FloatArray:
        """Output weights from standard normal numbers ``(…, m_L, C)``."""
        return self._scaled({"output": self.output_std * standard_normal})["output"]

    def factors(self) -> dict[str, FloatArray | float]:
        """Factors of the blocks; none in the standard parametrisation."""
        return {} if self.parametrisation == "standard" else dict(self._scales())

    def __call__(self, blocks: Blocks, features: Tensor) -> Tensor:
        """Apply the layers to features ``(…, n, K)``."""
        from harness.networks.layers import layers

        each = range(1, self.count + 1)
        weights = [*(blocks[f"hidden{layer}"] for layer in each), blocks["output"]]
        biases = [*(blocks.get(f"bias{layer}") for layer in each), blocks.get("bias")]
        return layers(features, weights, biases, self.activation)

    def _scales(self) -> dict[str, float]:
        from harness.networks.layers import gain

        first, later = self.mean_square**-0.5, gain(self.activation) * self.width**-0.5
        scales = {f"hidden{layer}": first if layer == 1 else later for layer in range(1, self.count + 1)}
        return {**scales, "output": later if self.count else first}

    def _scaled(self, blocks: dict[str, FloatArray]) -> dict[str, FloatArray]:
        if self.parametrisation == "tangent-kernel":
            return blocks
        scales = self._scales()
        return {name: scales.get(name, 1.0) * block for name, block in blocks.items()}


def require_count(name: str, value: object, lowest: int) -> None:
    """Insist on an integer of at least ``lowest``.

    Raises
    ------
    TypeError
        If it is no integer.
    ValueError
        If it is too small.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if value < lowest:
        raise ValueError(f"{name} must be at least {lowest}, not {value}")


def require_number(name: str, value: float, lowest: float, above: bool = False) -> None:
    """Insist on a finite number of at least, or above, ``lowest``."""
    try:
        finite = math.isfinite(value)
    except TypeError as error:
        raise TypeError(f"{name} must be a number, not {value!r}") from error
    if not finite or value < lowest or (above and value == lowest):
        raise ValueError(
            f"{name} must be finite and {'above' if above else 'at least'} {lowest:g}, not {value}"
        )


def require_choice(name: str, value: object, choices: Any) -> None:
    """Insist on one of the values of a ``Literal``."""
    if value not in get_args(choices):
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(map(repr, get_args(choices)))}")
