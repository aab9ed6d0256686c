r"""Adam's clock: the loss over steps of Adam, computed along the neural tangent kernel (NTK).

Adam divides the running mean of every parameter's gradient by the root of the running mean of its square. Within one
tensor ``l`` of ``P_l`` entries that root is taken to be common: the loss ``Σ_j w_j u(x_j)²``, ``Σ w = 1``, gives an
entry the gradient ``-2 Σ_j w_j J_p(x_j) u(x_j)`` whose mean square is ``4 (wu)ᵀ K_l (wu) / P_l``, with ``K_l`` the part
of the tangent kernel that comes from the tensor in its own parametrisation (:mod:`fefreq.models.tensor_kernels`). So

.. math::

    v_l ← β_2 v_l + (1 - β_2) \frac{4}{P_l} (wu)^T K_l (wu) , \qquad m ← β_1 m + (1 - β_1) u , \qquad
    u ← u - η_k \sum_l \frac{2 K_l (w \hat m)}{\sqrt{\hat v_l} + ε} ,

with the bias corrections of Adam: every tensor has a clock that runs faster as the error falls. Parameters within a
tensor that differ much, the first steps, which move every parameter by the same amount, and a kernel that changes in
training are what is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fefreq.dynamics.adam import Adam
from fefreq.kernel.kernel_family import kernel_family
from fefreq.kernel.solution import PointSolution
from fefreq.models import DeepFourierFeatures, Model
from fefreq.models.model import require_same_dimension
from fefreq.models.tensor_kernels import Initialisation, Layers, tensor_kernels
from fefreq.support.arrays import FloatArray
from fefreq.targets.target import Target


@dataclass(frozen=True, eq=False)
class TrainingClock:
    """What Adam does to the loss, step by step.

    Attributes
    ----------
    training : Adam
    losses : ndarray, shape (steps + 1,)
        Weighted mean square of the error at the trained points and over channels, before the first step and after every
        step.
    heldout_losses : ndarray, shape (steps + 1,), or None
        Mean square at the points of weight zero, if there are any.
    """

    training: Adam
    losses: FloatArray
    heldout_losses: FloatArray | None

    def step_of(self, share: float) -> int | None:
        """First step after which the loss is at most this share of that at the start; None if there is none.

        Raises
        ------
        ValueError
            If the share is not between 0 and 1.
        """
        if not 0 < share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, not {share}")
        below = self.losses <= share * self.losses[0]
        return int(np.argmax(below)) if np.any(below) else None

    def flow_times(self, flow: PointSolution) -> FloatArray:
        """Times ``(steps + 1,)`` at which gradient flow has brought the loss as low as Adam has after each step.

        Between the times of the flow, logarithms are interpolated; infinite where the flow does not come that low.

        Parameters
        ----------
        flow : PointSolution
            Gradient flow of the same data at many times, the first of them 0.

        Raises
        ------
        ValueError
            If the flow does not begin at time 0, has steps, or is that of other data.
        """
        if flow.steps is not None or flow.times[0] != 0:
            raise ValueError(
                "times are those of gradient flow: give a flow without dynamics, solved from time 0"
            )
        losses = 2 * flow.energy / (np.sum(flow.target.weights) * (flow.target.channels or 1))
        if not np.isclose(losses[0], self.losses[0], rtol=1e-6):
            raise ValueError(
                f"the flow starts at a loss of {losses[0]:g}, the clock at {self.losses[0]:g}: use the same data"
            )
        # How deep losses have fallen, on logarithmic axes; Adam's loss swings. At first the flow's falls like time.
        deep = np.log(losses[0] / losses[1:])
        fallen = np.log(self.losses[0] / np.minimum.accumulate(self.losses))
        with np.errstate(divide="ignore"):
            times = np.exp(np.interp(np.log(fallen), np.log(deep), np.log(flow.times[1:])))
        times = np.where(fallen < deep[0], flow.times[1] * fallen / deep[0], times)
        return np.asarray(np.where(fallen > deep[-1], np.inf, times))


def training_clock(
    model: Model,
    target: Target,
    training: Adam,
    *,
    width: int = 256,
    features_drawn: int | None = None,
    biases: bool = True,
    initialisation: Initialisation = "torch",
) -> TrainingClock:
    """Predict the loss over steps of Adam, full batch, for a network of given sizes.

    Parameters
    ----------
    model : DeepFourierFeatures
        With ReLU; gives density and number of hidden layers.
    target : Target
        On a grid of any size, or a few thousand scattered points. Points of weight zero are not trained on, but judged.
    training : Adam
    width : int
        Units of every hidden layer.
    features_drawn : int, optional
        Number of frequencies; half the width by default.
    biases : bool
        Whether layers have biases.
    initialisation : {"torch", "he", "tangent-kernel"}
        See :class:`fefreq.models.tensor_kernels.Layers`.

    Raises
    ------
    TypeError
        If model or training are of a kind that has no clock.
    ValueError
        If a size or name is impossible, the activation is not ReLU, dimensions differ, or there are too many
        scattered points.
    FloatingPointError
        If the loss grows without bound.

    Examples
    --------
    >>> import numpy as np, fefreq
    >>> target = fefreq.Target.from_function(lambda x: np.sin(2 * np.pi * x[:, 0]), bounds=[(0, 1)], shape=64)
    >>> model = fefreq.DeepFourierFeatures(fefreq.Gaussian(3.0), hidden_layers=3)
    >>> clock = training_clock(model, target, fefreq.Adam(learning_rate=1e-3, steps=100))
    >>> clock.losses.shape, bool(clock.losses[-1] < 0.01 * clock.losses[0])
    ((101,), True)
    """
    if not isinstance(training, Adam):
        raise TypeError(
            f"training must be a fefreq.Adam, not {training!r}: descent and momentum are dynamics of fefreq.KernelFlow"
        )
    if not isinstance(model, DeepFourierFeatures):
        raise TypeError(
            f"Adam has a clock for fefreq.DeepFourierFeatures, whose tensors have known kernels, not for {model!r}"
        )
    if model.activation != "relu":
        raise ValueError(f"Adam's clock knows networks with 'relu', not with {model.activation!r}")
    require_same_dimension(model, target)
    layers = Layers(model.hidden_layers, width, features_drawn, biases, initialisation)
    tensors = tensor_kernels(np.ones(1), layers)
    outputs = target.channels or 1
    entries = np.array([tensor.entries * (1 if tensor.shared else outputs) for tensor in tensors])

    def profiles(separations: FloatArray) -> FloatArray:
        kappa = model.density.characteristic(separations)
        return np.stack([tensor.values for tensor in tensor_kernels(kappa, layers)])

    family = kernel_family(profiles, target)
    weights = target.weights / target.weights.sum() / outputs
    heldout = target.weights == 0
    error = np.ascontiguousarray(target.values.reshape(len(weights), -1).T)
    mean, squares, start = None, np.zeros(len(tensors)), float(np.sum(weights * error**2))
    losses, heldout_losses = [start], [_mean_square(error[:, heldout])]
    for step, rate in enumerate(training.rates(), start=1):
        columns = weights * error
        form = family.form(columns)
        mean = (
            (1 - training.beta1) * form
            if mean is None
            else training.beta1 * mean + (1 - training.beta1) * form
        )
        gradients = 4 * np.maximum(family.squares(form, columns), 0.0) / entries
        squares = training.beta2 * squares + (1 - training.beta2) * gradients
        roots = np.sqrt(squares / (1 - training.beta2**step)) + training.epsilon
        error = error - family.combined(2 * rate / roots / (1 - training.beta1**step), mean)
        losses.append(float(np.sum(weights * error**2)))
        heldout_losses.append(_mean_square(error[:, heldout]))
        if not losses[-1] < 1e6 * start:
            raise FloatingPointError(
                f"the loss grows without bound at step {step}: choose a learning rate below {training.learning_rate:g}"
            )
    return TrainingClock(training, np.array(losses), np.array(heldout_losses) if np.any(heldout) else None)


def _mean_square(values: FloatArray) -> float:
    return float(np.mean(values**2)) if values.size else np.nan
