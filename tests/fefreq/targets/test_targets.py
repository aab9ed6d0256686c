"""Targets: spectra, extents, files."""

import numpy as np
import pytest
from PIL import Image

import fefreq


def direct_spectrum(target, xi):
    """The defining sum, written out."""
    waves = np.exp(-2j * np.pi * xi @ target.points.T)
    return waves @ (target.weights.reshape(-1, *[1] * (target.values.ndim - 1)) * target.values)


@pytest.mark.parametrize("shape", [(33,), (16, 21), (6, 7, 8)])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_grid_spectrum_is_the_defining_sum(shape, channels):
    rng = np.random.default_rng(1)
    bounds = [(-1.0, 1.0), (0.5, 2.0), (-3.0, -1.0)][: len(shape)]
    target = fefreq.Target.from_grid(rng.standard_normal((*shape, *channels)), bounds)
    xi = rng.uniform(-40, 40, (50, len(shape)))  # beyond Nyquist too
    expected = direct_spectrum(target, xi)
    np.testing.assert_allclose(target.spectrum(xi), expected, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("channels", [(), (2,)])
def test_scattered_spectrum_is_the_defining_sum(dim, channels):
    rng = np.random.default_rng(2)
    points = rng.uniform(-1, 2, (200, dim))
    target = fefreq.Target(points, rng.standard_normal((200, *channels)), rng.uniform(0, 1, 200))
    xi = rng.uniform(-1, 1, (70, dim)) * (10, 10, 2)[dim - 1]
    expected = direct_spectrum(target, xi)
    np.testing.assert_allclose(target.spectrum(xi), expected, atol=1e-10 * np.abs(expected).max())


def test_spectrum_of_a_gaussian_is_a_gaussian():
    target = fefreq.Target.from_function(lambda x: np.exp(-np.pi * x[:, 0] ** 2), [(-6, 6)], 400)
    xi = np.linspace(-3, 3, 31)
    np.testing.assert_allclose(target.spectrum(xi), np.exp(-np.pi * xi**2), atol=1e-12)


def test_parseval_holds_on_the_frequency_grid(tones_target):
    xi = np.arange(-20, 20, 0.25)
    energy = np.sum(np.abs(tones_target.spectrum(xi)) ** 2) * 0.25
    assert energy == pytest.approx(tones_target.energy, rel=1e-6)


def test_extent_and_bandwidth_follow_the_window_and_the_tones(tones_target):
    # 1e-4 of the energy exp(-x²/0.18²) lies beyond 2.75 · 0.18; the window's spectrum has σ = 0.88 cycles.
    assert tones_target.extent[0] == pytest.approx(2.75 * 0.18, rel=0.05)
    assert 8 + 2 * 0.88 < tones_target.bandwidth[0] < 8 + 5 * 0.88


def test_extent_is_measured_from_the_origin():
    target = fefreq.Target.from_function(lambda x: np.ones(len(x)), [(3, 4)], 50)
    assert target.extent[0] == pytest.approx(4, rel=0.02)


def test_scattered_data_have_a_band_too():
    rng = np.random.default_rng(3)
    x = np.sort(rng.uniform(-1, 1, 400))
    target = fefreq.Target(x, np.exp(-(x**2) / 0.02) * np.cos(2 * np.pi * 5 * x), np.full(400, 2 / 400))
    assert 5 < target.bandwidth[0] <= target.nyquist[0] == pytest.approx(100, rel=0.02)


def test_arrays_files_and_tables_agree(tmp_path):
    values = np.random.default_rng(4).standard_normal((12, 9))
    np.save(tmp_path / "field.npy", values)
    target = fefreq.Target.from_file(tmp_path / "field.npy", bounds=[(0, 4), (0, 3)])
    np.testing.assert_array_equal(target.values, values.ravel())
    rows = np.column_stack([target.points, target.values, target.weights])
    table = tmp_path / "field.csv"
    np.savetxt(table, rows, delimiter=",", header="x,y,height,weight", comments="", fmt="%.17g")
    scattered = fefreq.Target.from_file(table)
    np.testing.assert_array_equal(scattered.values, target.values)
    xi = np.array([[0.3, -1.0], [2.0, 0.5]])
    np.testing.assert_allclose(scattered.spectrum(xi), target.spectrum(xi), atol=1e-10)


def test_images_have_x_to_the_right_and_y_upwards(tmp_path):
    pixels = np.zeros((2, 4, 3), dtype=np.uint8)
    pixels[0, 3] = [255, 0, 0]  # red in the upper right corner
    Image.fromarray(pixels).save(tmp_path / "corner.png")
    target = fefreq.Target.from_file(tmp_path / "corner.png")
    red = target.points[np.argmax(target.values[:, 0])]
    np.testing.assert_allclose(red, [0.75, 0.25])
    assert target.channels == 3


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: fefreq.Target([0, 1], [1, np.nan]), "target values must be finite"),
        (lambda: fefreq.Target([0, np.inf], [1, 1]), "target points must be finite"),
        (lambda: fefreq.Target([0, 1], [1, 2, 3]), "2 points need"),
        (lambda: fefreq.Target([0, 1], [1, 2], [1, -1]), "1 weight.* negative"),
        (lambda: fefreq.Target([0, 1], [1, 2], [0, 0]), "all weights are zero"),
        (lambda: fefreq.Target([1, 1], [1, 2]), "give their quadrature weights"),
        (lambda: fefreq.Target(np.zeros((0, 1)), []), "no points"),
        (lambda: fefreq.Target.from_grid(np.ones(5), [(1, 0)]), "lower one must be smaller"),
        (lambda: fefreq.Target.from_grid(np.ones((5, 1)), [(0, 1), (0, 1)]), "axis 1 .* 1 point"),
        (lambda: fefreq.Target.from_grid(np.ones(5), [(0, 1), (0, 1)]), "2 bounds need 2"),
        (lambda: fefreq.Target.from_file("nowhere.npy"), "there is no file"),
    ],
)
def test_unusable_data_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_text_is_no_data():
    with pytest.raises(TypeError, match="real numbers"):
        fefreq.Target([0, 1], ["a", "b"])


def test_unreadable_files_are_named(tmp_path):
    objects = tmp_path / "objects.npy"
    np.save(objects, np.array([{"a": 1}], dtype=object), allow_pickle=True)  # what must never be loaded
    cases = {
        "objects.npy": "no readable .npy",
        "torn.npy": "no readable .npy",
        "notes.txt": "no .npy array, .csv table or readable image",
        "letters.csv": "line 2 .* is not 2 numbers",
        "headless.csv": "must begin with a header",
        "empty.csv": "header but no rows",
        "short.csv": "line 3 .* is not 2 numbers",
        "twice.csv": "two columns of one name",
    }
    (tmp_path / "torn.npy").write_bytes(b"\x93NUMPY\x01")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "letters.csv").write_text("x,value\n1,a\n")
    (tmp_path / "short.csv").write_text("x,value\n0,1\n3.0\n2,5\n")
    (tmp_path / "twice.csv").write_text("x,x,value\n0,1,2\n")
    (tmp_path / "headless.csv").write_text("1,2\n3,4\n")
    (tmp_path / "empty.csv").write_text("x,value\n")
    for name, message in cases.items():
        with pytest.raises(ValueError, match=message):
            fefreq.Target.from_file(tmp_path / name)


def test_transparent_images_are_refused(tmp_path):
    Image.new("RGBA", (4, 4)).save(tmp_path / "glass.png")
    with pytest.raises(ValueError, match="without an alpha channel"):
        fefreq.Target.from_file(tmp_path / "glass.png")


def test_images_have_two_bounds(tmp_path):
    Image.new("L", (8, 6)).save(tmp_path / "grey.png")
    with pytest.raises(ValueError, match="is an image, whose box has 2 bounds, not 1"):
        fefreq.Target.from_file(tmp_path / "grey.png", bounds=[(-1, 1)])


def test_flat_data_have_no_band():
    flat = fefreq.Target([[0.0, 1.0], [1.0, 1.0]], [1.0, 2.0], weights=[1.0, 1.0])
    with pytest.raises(ValueError, match="span every axis"):
        _ = flat.bandwidth


# --- immutability


def test_a_target_cannot_be_changed_and_keeps_its_own_data():
    values, points = np.ones(8), np.linspace(0.0, 1.0, 8)
    target = fefreq.Target(points, values)
    values[0] = points[0] = 7.0
    assert target.values[0] == 1.0
    assert target.points[0, 0] == 0.0
    for name in ("points", "values", "weights"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(target, name)[0] = 2.0
    for name in ("values", "grid"):
        with pytest.raises(AttributeError, match=name):
            setattr(target, name, None)


def test_a_view_that_is_read_only_protects_nothing():
    values = np.ones(8)
    seen = values.view()
    seen.flags.writeable = False
    target = fefreq.Target(np.linspace(0.0, 1.0, 8), seen)
    values[0] = 7.0
    assert target.values[0] == 1.0


def test_other_values_share_points_and_grid():
    target = fefreq.Target.from_grid(np.ones((4, 6)), [(-1, 1), (0, 3)])
    other = target.with_values(np.zeros(24))
    assert other.points is target.points
    assert other.weights is target.weights
    assert other.grid is target.grid


def test_points_that_are_not_those_of_the_grid_are_refused():
    grid = fefreq.Target.from_grid(np.ones((4, 6)), [(-1, 1), (0, 3)]).grid
    assert fefreq.Target(grid.points, np.ones(24), grid=grid).grid is grid
    for points in (grid.points[::-1], grid.points[:-1], 2 * grid.points):
        with pytest.raises(ValueError, match="not those of the grid"):
            fefreq.Target(points, np.ones(len(points)), grid=grid)
