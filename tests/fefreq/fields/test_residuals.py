"""Residuals on data: spectra of members and of their mean, energy, and what lies along time."""

from dataclasses import dataclass, field

import numpy as np
import pytest

import fefreq
from fefreq.fields import residuals as module
from fefreq.fields.times import along_time

TIMES = np.array([0.0, 1.0, 4.0])


def target(channels, place="scattered"):
    rng = np.random.default_rng(3)
    shape = (40,) if channels is None else (40, channels)
    if place == "grid":
        return fefreq.Target.from_grid(rng.normal(size=shape), [(-1, 1)])
    return fefreq.Target(rng.uniform(-1, 1, 40), rng.normal(size=shape), rng.uniform(0.1, 1, 40))


def members(data, count):
    return np.random.default_rng(4).normal(size=(count, len(TIMES), *data.values.shape))


@pytest.mark.parametrize("channels", [None, 3])
@pytest.mark.parametrize("place", ["grid", "scattered"])
def test_spectra_are_the_sums_over_points(channels, place, monkeypatch):
    data = target(channels, place)
    own = members(data, 2)
    found = fefreq.Residuals(data, TIMES, own)
    xi = np.array([[0.0], [1.5], [-7.0]])
    waves = data.weights[:, None] * np.exp(-2j * np.pi * data.points @ xi.T)
    expected = np.einsum("nf,stn...->stf...", waves, own)
    np.testing.assert_allclose(found.members_at(xi), expected, atol=1e-11)
    np.testing.assert_allclose(found.at(xi), expected.mean(axis=0), atol=1e-11)
    monkeypatch.setattr(module, "BATCH", 100)  # two rows at a time
    np.testing.assert_allclose(found.at(xi), expected.mean(axis=0), atol=1e-11)


@pytest.mark.parametrize("channels", [None, 3])
def test_the_energy_is_half_the_weighted_sum_of_squares_of_the_mean(channels):
    data = target(channels)
    found = fefreq.Residuals(data, TIMES, members(data, 4))
    mean = found.members.mean(axis=0)
    expected = [0.5 * sum(q * np.sum(u**2) for q, u in zip(data.weights, row, strict=True)) for row in mean]
    np.testing.assert_allclose(found.energy, expected, rtol=1e-13)


@dataclass(frozen=True)
class Inner:
    errors: np.ndarray = field(metadata=along_time())
    name: str = "inner"


@dataclass(frozen=True, eq=False)
class Extended(fefreq.Residuals):
    losses: np.ndarray = field(metadata=along_time(axis=1))
    start: np.ndarray
    inner: Inner = field(metadata=along_time())
    absent: np.ndarray | None = field(default=None, metadata=along_time())


def test_all_marked_fields_of_a_subclass_are_cut_together():
    data = target(None)
    whole = Extended(
        data, TIMES, members(data, 2), np.arange(6.0).reshape(2, 3), np.arange(2.0), Inner(np.arange(3.0))
    )
    early, last = whole.until(1.0), whole.at_last()
    assert isinstance(early, Extended)
    assert early.times.tolist() == [0.0, 1.0]
    assert early.members.tobytes() == whole.members[:, :2].tobytes()
    assert early.losses.tolist() == [[0.0, 1.0], [3.0, 4.0]]
    assert early.inner.errors.tolist() == [0.0, 1.0]
    assert early.inner.name == "inner"
    assert early.absent is None
    assert early.start is whole.start
    assert last.losses.tolist() == [[2.0], [5.0]]
    np.testing.assert_array_equal(last.values, whole.values[2:])


def test_a_mean_over_members_is_labelled_by_place():
    data = target(2, "grid")
    found = fefreq.Residuals(data, TIMES, members(data, 2))
    dataset = found.to_xarray()
    assert dataset.residual.dims == ("time", "x", "channel")
    np.testing.assert_array_equal(dataset.residual.values, found.values)
    np.testing.assert_array_equal(dataset.energy.values, found.energy)
    np.testing.assert_array_equal(found.to_xarray([1.0]).error.values, found.at([1.0]))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"target": "image.png"}, "need the fefreq.Target"),
        ({"members": np.zeros((2, 40))}, r"need \(S, 3, 40\)"),
        ({"members": np.zeros((0, 3, 40))}, "S at least 1"),
        ({"times": [[0.0, 1.0, 2.0]]}, r"need \(S, 1, 40\)"),
        ({"members": np.zeros((1, 3, 40), dtype=complex)}, "members must be real numbers"),
    ],
)
def test_what_does_not_belong_together_is_refused(change, sentence):
    data = target(None)
    given = {"target": data, "times": TIMES, "members": members(data, 1)} | change
    with pytest.raises((TypeError, ValueError), match=sentence):
        fefreq.Residuals(**given)
