"""Models: coefficients of the diffusion equation and neural tangent kernel (NTK) of an architecture."""

from fefreq.models.deep_fourier_features import DeepFourierFeatures
from fefreq.models.fourier_features import FourierFeatures
from fefreq.models.model import Coefficients, KernelTerm, Model, Parity, Rates
from fefreq.models.multi_scale_sine import MultiScaleSine

__all__ = [
    "Coefficients",
    "DeepFourierFeatures",
    "FourierFeatures",
    "KernelTerm",
    "Model",
    "MultiScaleSine",
    "Parity",
    "Rates",
]
