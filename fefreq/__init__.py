r"""Which frequency is learned when: the diffusion equations of spectral bias, solved by finite elements.

A two-layer network on Fourier features, trained by gradient descent in the tangent-kernel regime, spreads
and damps its error over frequency space. This package predicts that error field:

>>> import numpy as np, fefreq
>>> target = fefreq.Target.from_function(lambda x: np.exp(-8 * x[:, 0] ** 2), bounds=[(-1, 1)], shape=128)
>>> model = fefreq.FourierFeatures(fefreq.Gaussian(scale=3.0), output_std=1.0)
>>> solution = fefreq.FrequencyDiffusion(model, target).solve(times=[0, 1, 10, 100])
>>> solution.at([0.0, 1.0, 2.0]).shape
(4, 3)

Points and frequencies have shape ``(n, d)``, frequencies count cycles per unit length, and training time is
``t = Σ η``, the sum of the learning rates.
"""

import lazy_loader

__version__ = "0.1.0"

# __init__.pyi beside this file is the list of public names.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
