"""Datasets know their frequencies: by value along one axis, by the nearest point in the plane."""

import numpy as np
import pytest
import xarray as xr

import fefreq
from fefreq.fields.coordinates import (
    frequency_coordinates,
    frequency_dimension,
    frequency_points,
    sample_field,
    with_frequencies,
)
from fefreq.support.files import join_complex, write_netcdf
from harness.comparison.compare import compare

XI = np.linspace(-10, 10, 81)
PLANE = np.stack(np.meshgrid(np.arange(-3.0, 4), np.arange(-2.0, 3), indexing="ij"), axis=-1).reshape(-1, 2)


class Wave:
    """A field whose value is its frequency, so that a wrong place shows."""

    times = np.array([0.0, 1.0])

    def at(self, frequencies):
        xi = np.asarray(frequencies)
        return np.exp(-self.times)[:, None] * (xi[:, 0] + 1j * xi[:, -1] + 100)


def test_along_a_line_frequencies_are_found_by_their_value():
    data = compare({"wave": Wave()}, XI)
    assert float(data.error.sel(source="wave", time=0, frequency=6.0, method="nearest").real) == 106.0
    assert float(data.error.sel(source="wave", time=0, frequency=-9.9, method="nearest").real) == 90.0
    assert data.frequency.attrs["units"] == "cycles per unit length"
    with pytest.raises(KeyError):
        data.error.sel(frequency=6.1)


def test_in_the_plane_the_nearest_points_are_found():
    data = compare({"wave": Wave()}, PLANE)
    found = fefreq.nearest(data, [(2.9, -1.2), (-3.0, 2.0)])
    np.testing.assert_array_equal(frequency_points(found), [[3, -1], [-3, 2]])
    np.testing.assert_array_equal(found.error.sel(source="wave", time=0), [103 - 1j, 97 + 2j])
    with pytest.raises(ValueError, match=r"in 2 dimension\(s\) they must be \(n, 2\)"):
        fefreq.nearest(data, [2.9])


@pytest.mark.parametrize("points", [XI[:, None], PLANE, np.zeros((0, 1)), np.eye(3)])
def test_points_become_coordinates_and_come_back(points):
    data = xr.Dataset(coords=frequency_coordinates(points))
    np.testing.assert_array_equal(frequency_points(data), points)
    assert frequency_dimension(data) == points.shape[1]


@pytest.mark.parametrize("points", [XI[:, None], PLANE])
def test_coordinates_survive_a_file(points, tmp_path):
    data = sample_field(Wave(), points)
    with xr.open_dataset(write_netcdf(data, tmp_path / "field.nc"), engine="h5netcdf") as file:
        again = join_complex(file.load())
    xr.testing.assert_identical(again.error, data.error)


def test_files_of_the_last_version_are_brought_to_this_form():
    old = xr.Dataset({"a": ("frequency", XI)}, coords={"xi_0": ("frequency", XI)})
    new = with_frequencies(old)
    assert float(new.a.sel(frequency=6.0)) == 6.0
    assert "xi_0" not in new.coords
    plane = xr.Dataset(coords=frequency_coordinates(PLANE))
    assert with_frequencies(plane) is plane
