"""Train real networks and hold them against what :mod:`fefreq` predicts.

>>> import numpy as np, fefreq, harness
>>> target = fefreq.Target.from_function(lambda x: np.exp(-8 * x[:, 0] ** 2), bounds=[(-1, 1)], shape=128)
>>> model = fefreq.FourierFeatures(fefreq.Gaussian(scale=2.0), output_std=0.5)
>>> times = [0, 1, 10]
>>> prediction = fefreq.FrequencyDiffusion(model, target).solve(times)
>>> run = harness.train(model, target, width=4096, times=times, learning_rate=0.2)
>>> data = harness.compare({"pde": prediction, "network": run}, np.linspace(-4, 4, 65))
>>> bool(data.difference.sel(source="network").max() < 0.05)
True
"""

import lazy_loader

from fefreq.fields.saved import announce

# __init__.pyi beside this file is the list of public names.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

# What fefreq.load reads once harness is imported.
announce("fefreq training run 1", "harness.training.run")
announce("fefreq relu recording 1", "harness.relu.recording")
