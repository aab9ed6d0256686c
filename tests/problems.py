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


# Tables of experiment files


def tones_table(shape, frequencies, bounds=(-1, 1), width=0.2):
    """The target of a file: tones in a window, or without one."""
    window = "" if width is None else f"width = {width}\n"
    return (
        f'[target]\nkind = "tones"\nbounds = [{list(bounds)}]\nshape = [{shape}]\n'
        f"frequencies = {list(frequencies)}\n{window}"
    )


def features_table(output_std, scale, name="model"):
    """A model of a file: Fourier features with Gaussian frequencies."""
    return (
        f'[{name}]\nkind = "fourier-features"\noutput_std = {output_std}\n'
        f'density = {{ kind = "gaussian", scale = {scale} }}\n'
    )
