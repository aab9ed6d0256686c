"""Conformance checks for densities and models, of this project and of others.

May import every room of the package. Nothing here needs a test runner: a check that fails raises an
``AssertionError`` whose message says in a sentence what does not agree with what.

>>> import fefreq
>>> from fefreq.testing import check_density, check_model
>>> check_density(fefreq.Laplace(2.0))
>>> check_model(fefreq.FourierFeatures(fefreq.Laplace(2.0), output_std=0.5))
"""

from fefreq.testing.density_checks import check_density
from fefreq.testing.model_checks import check_model

__all__ = ["check_density", "check_model"]
