"""Pictures of error fields: spectra, frequency-time maps, differences, half-lives, and one solution at a glance."""

from fefreq.output.plots.coefficients import coefficients_figure
from fefreq.output.plots.figures import (
    difference_figure,
    half_life_figure,
    image_figure,
    map_figure,
    save_figure,
    solution_figure,
    spectra_figure,
)
from fefreq.output.plots.profiles import Profiles, as_dataset, plane, profiles
from fefreq.output.plots.split import split_figure

__all__ = [
    "Profiles",
    "as_dataset",
    "coefficients_figure",
    "difference_figure",
    "half_life_figure",
    "image_figure",
    "map_figure",
    "plane",
    "profiles",
    "save_figure",
    "solution_figure",
    "spectra_figure",
    "split_figure",
]
