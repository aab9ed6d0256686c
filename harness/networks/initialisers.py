"""Initialisers in the manner of ``torch.nn.init``: frequencies of Fourier features, drawn from any density.

>>> import fefreq, torch
>>> features = torch.nn.Linear(1, 256, bias=False)
>>> B = fourier_frequencies_(features.weight, fefreq.Gaussian(scale=3.0), seed=0)
>>> x = torch.linspace(-1, 1, 5)[:, None]
>>> waves = 2 * torch.pi * features(x)
>>> torch.cat([waves.cos(), waves.sin()], dim=1).shape
torch.Size([5, 512])
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fefreq.densities.base import Density


def fourier_frequencies_(tensor: Tensor, density: Density, seed: int = 0, angular: bool = False) -> Tensor:
    """Fill a matrix with frequencies, one in each row, drawn independently from a density.

    Parameters
    ----------
    tensor : Tensor, shape (m, d)
        Such as the weight of ``nn.Linear(d, m)``, the matrix ``B`` of the features ``cos(2πBx)``, ``sin(2πBx)``.
    density : Density
        Of dimension ``d``, such as the density of a :class:`fefreq.DensityDesign`.
    seed : int
        Where the random numbers begin.
    angular : bool
        Whether the matrix holds angular frequencies ``2πB``, for features ``cos(Bx)``, instead of cycles per unit
        length.

    Returns
    -------
    Tensor
        The same tensor.

    Raises
    ------
    TypeError
        If the density or the tensor is none, or the tensor not of real floating-point numbers.
    ValueError
        If the shape does not fit the density, or the seed is negative.
    """
    if not isinstance(density, Density):
        raise TypeError(
            f"density must be a density such as fefreq.Gaussian(3.0) or the .density of a design, not {density!r}"
        )
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"the tensor must be one of torch, such as the weight of a layer, not {type(tensor).__name__}"
        )
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed is {seed!r}; it must be an integer of at least 0")
    if not tensor.is_floating_point():
        raise TypeError(f"the tensor must hold real floating-point numbers, not {tensor.dtype}")
    if tensor.ndim != 2 or tensor.shape[1] != density.dim:
        raise ValueError(
            f"the tensor has shape {tuple(tensor.shape)}; frequencies in {density.dim} dimension(s) need "
            f"(m, {density.dim}), the weight of nn.Linear({density.dim}, m)"
        )
    frequencies = density.sample(len(tensor), np.random.default_rng(seed))
    with torch.no_grad():
        return tensor.copy_(torch.from_numpy((2 * np.pi if angular else 1.0) * frequencies))
