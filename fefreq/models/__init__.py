"""Models: what gradient descent on one architecture does to the error, at infinite width."""

from fefreq.models.fourier_features import FourierFeatures
from fefreq.models.model import Coefficients, KernelTerm, Model, Parity, Rates

AnyModel = FourierFeatures

__all__ = ["AnyModel", "Coefficients", "FourierFeatures", "KernelTerm", "Model", "Parity", "Rates"]
