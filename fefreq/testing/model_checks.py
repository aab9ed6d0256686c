r"""Whether kernel and coefficients of a model describe the same network.

A term ``(a + b x·y) p(x - y)`` of the kernel has damping ``a p̂`` and diffusion ``b p̂ / 4π²``. In a term of ``x + y``
the substitution ``y → -y`` gives, for the even (odd) part of the error, damping ``± a p̂`` and diffusion
``∓ b p̂ / 4π²``. Transformed back to separations ``z``, for one parity,

.. math:: ∫ c \cos(2π ξ·z) dξ = ∑ ± a\, p(z) , \qquad 4π² ∫ D \cos(2π ξ·z) dξ = ∑ ∓ b\, p(z) ,

up to a constant, which is a delta function over frequency and acts on no square-integrable error.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fefreq.models.model import Model, Parity
from fefreq.support.arrays import FloatArray
from fefreq.support.families import require_member
from fefreq.testing.density_checks import SIGMAS, insist, near, panels_of, separations
from fefreq.testing.quadrature import Edges, box_rule

Gradients = Callable[[int, np.random.Generator, FloatArray], FloatArray]
CHUNK = 20_000  # neurons that are drawn at once


def check_model(
    model: Model,
    *,
    gradients: Gradients | None = None,
    edges: Edges | None = None,
    tolerance: float = 1e-5,
    file: bool = True,
    draws: int = 200_000,
    seed: int = 0,
) -> None:
    """Insist that the kernel of a model is one, and that its coefficients are those of the kernel.

    The kernel is symmetric and positive semi-definite; coefficients are even and at least 0, and their
    cosine transforms are the terms of the kernel, for both parities; the kernel is the mean of the products of
    gradients of neurons, if they are given; the model comes back from JSON.

    Parameters
    ----------
    model : Model
        In up to two dimensions, for the quadrature.
    gradients : callable, optional
        Maps a count, a Generator and points ``(n, d)`` to ``(count, parameters, n)``: the derivatives of that many
        neurons, drawn at random, by their parameters, times the roots of the rates and scaled such that the tangent
        kernel is the mean over neurons of ``Σ_p g_p(x) g_p(y)``.
    edges : sequence of arrays, optional
        Ends of the panels of the quadrature over frequency along each axis, from 0 upwards, as for
        :func:`check_density`; by default from ``radius``, ``breakpoints`` and ``support_box``.
    tolerance : float
        Of the transforms, relative to their value at separation 0.
    file : bool
        False for a class that is not meant to stand in files.
    draws, seed : int
        Number of neurons and their seed; statistical errors of 4.5 standard deviations pass.

    Raises
    ------
    AssertionError
        If something does not agree; the message says what, and by how much.
    """
    require_member(model, Model, "model", "fefreq.FourierFeatures(fefreq.Gaussian(scale=2.0))")
    _check_kernel(model)
    _check_coefficients(model, panels_of(model) if edges is None else edges, tolerance)
    if gradients is not None:
        _check_gradients(model, gradients, draws, seed)
    if file:
        back = Model.from_json(model.to_json())
        insist(back == model, f"JSON brings back {back!r}, not {model!r}")


def _points(model: Model, count: int) -> FloatArray:
    length = 0.5 / model.radius(0.5)
    return length * np.random.default_rng(1).uniform(-1, 1, (count, model.dim))


def _check_kernel(model: Model) -> None:
    points = _points(model, 40)
    kernel = model.kernel(points, points)
    largest = float(np.abs(kernel).max())
    near(kernel, kernel.T, 1e-12 * largest, "the kernel is not symmetric")
    lowest = float(np.linalg.eigvalsh((kernel + kernel.T) / 2)[0])
    insist(
        lowest >= -1e-10 * largest * len(points),
        f"the kernel is not positive semi-definite: on 40 points its least eigenvalue is {lowest:.3g}",
    )


def _check_coefficients(model: Model, edges: Edges, tolerance: float) -> None:
    nodes, weights = box_rule(edges)
    z = np.vstack([np.zeros((1, model.dim)), separations(model.dim, model.radius(0.5))])
    waves = np.cos(2.0 * np.pi * z @ nodes.T) * weights
    profiles = [(term, term.profile(z)) for term in model.kernel_terms()]
    parities: tuple[Parity, ...] = ("even", "odd")
    for parity in parities:
        found, mirrored = model.coefficients(nodes, parity), model.coefficients(-nodes, parity)
        sign = 1.0 if parity == "even" else -1.0
        damping = sum(
            (term.constant * (sign if term.reflected else 1.0) * p for term, p in profiles), 0 * z[:, 0]
        )
        diffusion = sum(
            (term.linear * (-sign if term.reflected else 1.0) * p for term, p in profiles), 0 * z[:, 0]
        )
        for name, factor, expected in (("damping", 1.0, damping), ("diffusion", 4 * math.pi**2, diffusion)):
            values = getattr(found, name)
            size = float(np.abs(expected).max()) or 1.0
            insist(
                bool(np.all(np.isfinite(values) & (values >= 0))), f"the {parity} {name} is not at least 0"
            )
            allowed = 1e-9 * float(values.max(initial=0.0)) + 1e-300
            near(getattr(mirrored, name), values, allowed, f"the {parity} {name} is not an even function")
            transform = factor * waves @ values
            # A constant of the kernel has no transform that is a function: differences are compared.
            near(
                transform[1:] - transform[0],
                expected[1:] - expected[0],
                tolerance * size,
                f"the cosine transform of the {parity} {name} is not what the kernel terms say",
            )


def _check_gradients(model: Model, gradients: Gradients, draws: int, seed: int) -> None:
    points = _points(model, 6)
    rng = np.random.default_rng(seed)
    total, squares, done = np.zeros((6, 6)), np.zeros((6, 6)), 0
    while done < draws:
        count = min(CHUNK, draws - done)
        drawn = gradients(count, rng, points)
        insist(
            drawn.ndim == 3 and drawn.shape[0] == count and drawn.shape[2] == 6,
            f"gradients of {count} neurons at 6 points have shape {drawn.shape}",
        )
        products = np.einsum("kpi,kpj->kij", drawn, drawn)
        total, squares, done = total + products.sum(axis=0), squares + (products**2).sum(axis=0), done + count
    mean = total / draws
    error = np.sqrt(np.maximum(squares / draws - mean**2, 0.0) / draws)
    kernel = model.kernel(points, points)
    allowed = SIGMAS * error + 1e-9 * float(np.abs(kernel).max())
    near(mean, kernel, allowed, "the mean product of gradients is not the kernel")
