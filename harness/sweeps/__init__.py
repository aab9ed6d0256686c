"""Sweeps: one study for every combination of some values in its file, here or on a cluster.

>>> import tempfile, harness
>>> from harness.studies.comparison.study import Comparison
>>> study = Comparison.model_validate(
...     {
...         "title": "A tone",
...         "target": {"kind": "tones", "bounds": [[-1, 1]], "shape": [64], "frequencies": [1], "width": 0.2},
...         "model": {"kind": "fourier-features", "density": {"kind": "gaussian", "scale": 2.0}},
...         "times": [0, 1, 10],
...     }
... )
>>> with tempfile.TemporaryDirectory() as folder:
...     data = sweep(study, over={"model.density.scale": [1.0, 2.0]}, folder=folder)
>>> data.tone_half_life.dims
('model.density.scale', 'model', 'source', 'tone')
"""

from harness.sweeps.run import Swept, sweep

__all__ = ["Swept", "sweep"]
