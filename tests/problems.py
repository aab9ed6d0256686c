"""Problems that several tests share."""

import numpy as np

import fefreq
from fefreq.models import Coefficients, Model


def three_tones(x):
    x = x[:, 0]
    window = np.exp(-(x**2) / (2 * 0.18**2))
    return window * (np.cos(2 * np.pi * x) + np.sin(2 * np.pi * 3 * x) + np.cos(2 * np.pi * 8 * x + 1))


class Given(Model):
    """Coefficients given as functions, for solutions known in closed form."""

    def __init__(self, diffusion, damping, dim=1):
        self.diffusion, self.damping = diffusion, damping
        self.density = fefreq.Gaussian(1.0, dim)

    def coefficients(self, frequencies, parity="even"):
        return Coefficients(self.diffusion(frequencies), self.damping(frequencies))

    def kernel_terms(self):
        return ()


def flat(value):
    return lambda xi: np.full(len(xi), value)
