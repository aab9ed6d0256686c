"""Measures of agreement on fields whose half-lives, rates and differences are known."""

import numpy as np
import pytest

import fefreq
import harness
from fefreq.fields.half_life import half_life
from harness.comparison.compare import compare
from harness.comparison.grid import frequency_grid


class Decaying:
    """Every frequency ξ ≥ 0 decays at the rate ξ; members differ by a factor."""

    times = np.array([0.0, 0.5, 1.0, 2.0, 4.0])

    def __init__(self, scale=1.0):
        self.scale = scale

    def at(self, frequencies):
        xi = np.asarray(frequencies)[:, 0]
        return self.scale * np.exp(-np.outer(self.times, xi)) * np.exp(1j * xi)


class TwoMembers(Decaying):
    def members_at(self, frequencies):
        return np.stack([0.9 * self.at(frequencies), 1.1 * self.at(frequencies)])


XI = np.linspace(0.25, 3, 23)


def test_comparing_survives_the_import_of_every_module():
    assert callable(harness.compare)
    assert harness.compare is compare


def test_half_life_and_rate_of_exponentials_are_exact():
    data = compare({"theory": Decaying()}, XI)
    inside = np.log(2) <= 4 * XI
    np.testing.assert_allclose(data.half_life[0][inside], np.log(2) / XI[inside], rtol=1e-12)
    fitted = np.log(10) > XI * 0.5
    np.testing.assert_allclose(data.decay_rate[0][fitted], XI[fitted], rtol=1e-12)


def test_half_life_beyond_the_run_is_infinite_and_of_nothing_is_undefined():
    moduli = np.array([[1.0, 0.0], [0.9, 0.0], [0.8, 0.0]])
    np.testing.assert_array_equal(half_life([0, 1, 2], moduli), [np.inf, np.nan])


def test_difference_is_relative_to_the_initial_reference():
    data = compare({"theory": Decaying(), "network": Decaying(1.1)}, XI)
    energy = np.linalg.norm(np.exp(-np.outer(Decaying.times, XI)), axis=1)
    np.testing.assert_allclose(data.difference.sel(source="network"), 0.1 * energy / energy[0], rtol=1e-12)
    assert not data.difference.sel(source="theory").any()


def test_members_are_held_against_the_reference_one_by_one():
    data = compare({"theory": Decaying(), "network": TwoMembers()}, XI)
    members = data.member_difference.sel(source="network")
    assert members.sizes["seed"] == 2
    np.testing.assert_allclose(members.isel(time=0), [0.1, 0.1], rtol=1e-12)
    assert np.isnan(data.member_difference.sel(source="theory")).all()


def test_dataset_is_labelled():
    data = compare({"a": Decaying(), "b": Decaying()}, XI, reference="b")
    assert data.error.dims == ("source", "time", "frequency")
    assert data.attrs["reference"] == "b"
    np.testing.assert_array_equal(data.frequency, XI)


class Late(Decaying):
    times = Decaying.times + 1


@pytest.mark.parametrize(
    ("sources", "reference", "message"),
    [
        ({}, None, "nothing to compare"),
        ({"a": Decaying()}, "b", "'b' is none of the sources a"),
        ({"a": Late()}, None, "include 0"),
        ({"a": Decaying(), "b": Late()}, None, "times of b are not those of a"),
        ({"a": Decaying(0.0)}, None, "no error at time 0"),
    ],
)
def test_incomparable_sources_are_named(sources, reference, message):
    with pytest.raises(ValueError, match=message):
        compare(sources, XI, reference=reference)


def test_frequency_grid_counts_no_frequency_twice():
    """White noise fills the band up to the Nyquist frequency; beyond, the spectrum of samples repeats itself."""
    values = np.random.default_rng(0).standard_normal(64)
    target = fefreq.Target.from_grid(values, [(-1, 1)])
    grid = frequency_grid(target)
    assert np.abs(grid).max() <= target.nyquist[0]
    energy = np.sum(np.abs(target.spectrum(grid)) ** 2) / 8
    assert energy == pytest.approx(target.energy, rel=0.02)  # both ends of the band are one frequency
