"""What is no density, no model or no number is named when a model or a problem is made."""

import numpy as np
import pytest

import fefreq
from fefreq import DeepFourierFeatures, FourierFeatures, MultiScaleSine

GAUSSIAN = fefreq.Gaussian(1.0)
MODEL = FourierFeatures(GAUSSIAN)
TARGET = fefreq.Target.from_grid(np.ones(8), [(0, 1)])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FourierFeatures(3.0), r"density must be a Density such as .*Gaussian.*, not 3\.0"),
        (lambda: FourierFeatures(fefreq.Gaussian), "density must be a Density"),
        (lambda: FourierFeatures(MODEL), "density must be a Density"),
        (lambda: FourierFeatures(GAUSSIAN, "1"), "output_std must be a number, not '1'"),
        (lambda: FourierFeatures(GAUSSIAN, output_std=True), "output_std must be a number"),
        (lambda: FourierFeatures(GAUSSIAN, rates=1.0), r"rates must be Rates such as .*, not 1\.0"),
        (lambda: fefreq.Rates(output="1"), "the output rate must be a number, not '1'"),
        (lambda: fefreq.Rates(bias=None), "the bias rate must be a number, not None"),
        (lambda: MultiScaleSine(3.0, (1,)), "density must be a Density"),
        (lambda: MultiScaleSine(GAUSSIAN, 2.0), r"scales must be several numbers .*, not 2\.0"),
        (lambda: MultiScaleSine(GAUSSIAN, "12"), "scales must be several numbers"),
        (lambda: MultiScaleSine(GAUSSIAN, ("1",)), "a scale must be a number"),
        (lambda: MultiScaleSine(GAUSSIAN, (1,), rates={}), "rates must be Rates"),
        (lambda: MultiScaleSine(GAUSSIAN, (1,), bias="normal", bias_std="1"), "bias_std must be a number"),
        (lambda: MultiScaleSine(GAUSSIAN, (1,), prefactor_power=None), "prefactor_power must be a number"),
        (lambda: DeepFourierFeatures(3.0, 2), "density must be a Density"),
        (lambda: DeepFourierFeatures(GAUSSIAN, 2.0), "hidden_layers must be an integer"),
        (lambda: fefreq.Mixture([3.0]), "components must be densities"),
        (lambda: fefreq.Mixture(GAUSSIAN), "components must be a sequence of densities"),
        (lambda: fefreq.FrequencyDiffusion(GAUSSIAN, TARGET), "model must be a Model such as"),
        (lambda: fefreq.FrequencyDiffusion(TARGET, MODEL), "model must be a Model such as"),
        (lambda: fefreq.FrequencyDiffusion(MODEL, TARGET.values), r"target must be a fefreq\.Target"),
        (lambda: fefreq.KernelFlow(GAUSSIAN, TARGET), "model must be a Model such as"),
        (lambda: fefreq.KernelFlow(MODEL, TARGET.values), r"target must be a fefreq\.Target"),
    ],
)
def test_arguments_of_the_wrong_type_are_named_at_once(make, words):
    with pytest.raises(TypeError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value).replace(repr(TARGET.values), "")
