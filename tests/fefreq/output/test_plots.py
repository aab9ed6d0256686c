"""Pictures: they show the numbers they claim to show, on common scales, for any number of sources."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from numpy.testing import assert_allclose, assert_array_equal

import fefreq
from fefreq.output import plots
from fefreq.output.plots.axes import source_styles
from fefreq.support.files import split_complex
from harness.comparison.compare import compare

TIMES = np.concatenate([[0.0], np.geomspace(0.1, 100, 25)])


class Decaying:
    """A field of which every frequency decays at a rate of its own, known in closed form."""

    def __init__(self, slowdown: float = 1.0, members: int = 0) -> None:
        self.times, self.slowdown, self.members = TIMES, slowdown, members

    @staticmethod
    def rate(radii: np.ndarray) -> np.ndarray:
        return np.exp(-(radii**2) / 8)

    def at(self, frequencies: np.ndarray) -> np.ndarray:
        radii = np.linalg.norm(frequencies, axis=1)
        initial = np.exp(-radii / 2) * np.exp(1j * frequencies[:, 0])
        return initial * np.exp(-self.slowdown * self.rate(radii) * self.times[:, None])


class Ensemble(Decaying):
    """Members above and below a decaying field."""

    def members_at(self, frequencies: np.ndarray) -> np.ndarray:
        return np.stack([(1 + share) * self.at(frequencies) for share in (-0.03, 0.01, 0.02)])


def grid(dim: int, width: float = 4.0, count: int = 33) -> np.ndarray:
    axis = np.linspace(-width, width, count)
    return np.stack(np.meshgrid(*dim * [axis], indexing="ij"), axis=-1).reshape(-1, dim)


def compared(dim: int = 1) -> xr.Dataset:
    return compare({"pde": Decaying(), "kernel": Decaying(1.02), "network": Ensemble(0.9)}, grid(dim))


def meshes(figure: Figure) -> list[QuadMesh]:
    found = [c for ax in figure.axes for c in ax.collections if isinstance(c, QuadMesh)]
    return [mesh for mesh in found if mesh.axes.get_label() != "<colorbar>"]


@pytest.fixture(scope="module")
def solution() -> fefreq.MeshSolution:
    target = fefreq.Target.from_function(lambda x: np.exp(-10 * x[:, 0] ** 2), [(-1, 1)], 64)
    model = fefreq.FourierFeatures(fefreq.Gaussian(scale=2.0))
    return fefreq.FrequencyDiffusion(model, target).solve([0, 1, 3, 10, 30, 100, 300])


def test_spectra_are_the_moduli_of_the_dataset_at_the_times_of_the_legend() -> None:
    data = compared()
    figure = plots.spectra_figure(data, count=5)
    lines = figure.axes[0].lines
    assert len(lines) == 3 * 5
    chosen = plots.profiles(data).chosen_times(5)
    half = data.sel(frequency=data.frequency >= 0)
    for line, (source, index) in zip(
        lines, [(s, i) for s in data.source.values for i in chosen], strict=True
    ):
        assert_array_equal(line.get_xdata(), half.frequency)
        assert_allclose(line.get_ydata(), np.abs(half.error.sel(source=source)[index]), rtol=1e-14)
        if source == "pde":
            assert line.get_label() == f"t = {float(f'{TIMES[index]:.3g}'):g}"


def test_one_colour_stands_for_one_time_whatever_the_source() -> None:
    lines = plots.spectra_figure(compared()).axes[0].lines
    colours = [mpl.colors.to_hex(line.get_color()) for line in lines]
    assert colours[:5] == colours[5:10] == colours[10:]
    assert len(set(colours)) == 5


def test_frequencies_that_are_not_symmetric_are_all_drawn() -> None:
    xi = np.array([[-2.0], [-1.0], [0.5], [3.0]])
    assert_array_equal(plots.profiles(Decaying(), xi).frequencies, xi[:, 0])


def test_chosen_times_include_the_first_and_the_last() -> None:
    shown = plots.profiles(Decaying(), grid(1))
    for count in (2, 3, 5, 8):
        chosen = shown.chosen_times(count)
        assert (chosen[0], chosen[-1]) == (0, len(TIMES) - 1)
        assert 2 <= len(chosen) <= count


@pytest.mark.parametrize("dim", [2, 3])
def test_shells_of_a_radial_field_show_its_radial_profile(dim: int) -> None:
    shown = plots.profiles(Decaying(), grid(dim, count=41 if dim == 2 else 21))
    exact = np.exp(-shown.frequencies / 2) * np.exp(-Decaying.rate(shown.frequencies) * TIMES[:, None])
    assert shown.radial
    assert shown.frequencies[-1] <= 4
    # The mean over a shell of width h differs from the value at its mean radius by O(h²).
    spacing = 8 / (40 if dim == 2 else 20)
    start = shown.of("error")[0]
    assert_allclose(start, exact[0], atol=spacing**2 / 8)


def test_shells_keep_what_an_l2_norm_weighs() -> None:
    xi = grid(2)
    shown = plots.profiles(Decaying(), xi)
    radii = np.linalg.norm(xi, axis=1)
    shell = np.rint(radii / 0.25).astype(int)
    counts = np.bincount(shell)[: len(shown.frequencies)]
    kept = shell < len(counts)
    inside = kept & (radii <= 4 + 1e-9)
    counts = np.bincount(shell[inside])
    field = np.abs(Decaying().at(xi))
    assert_allclose(shown.of("error") ** 2 @ counts, np.sum(field[:, inside] ** 2, axis=1), rtol=1e-12)


def test_maps_and_differences_share_one_colour_scale_and_show_the_data() -> None:
    data = compared()
    drawn = meshes(plots.map_figure(data))
    assert len(drawn) == 3 + 2
    assert len({id(mesh.norm) for mesh in drawn}) == 1
    largest = np.abs(data.error.isel(time=0)).max()
    assert drawn[0].norm.vmax == pytest.approx(float(largest))
    assert drawn[0].norm.vmin == pytest.approx(1e-4 * float(largest))
    error = data.error.sel(frequency=data.frequency >= 0)
    moduli = [np.abs(error.sel(source=name)) for name in data.source.values]
    differences = [np.abs(error.sel(source=name) - error.sel(source="pde")) for name in ("kernel", "network")]
    for mesh, values in zip(drawn, [*moduli, *differences], strict=True):
        assert_allclose(np.asarray(mesh.get_array()).reshape(17, len(TIMES)), values.T, atol=1e-15)
        assert_allclose(mesh.get_coordinates()[0, :, 0], TIMES)


def test_time_axes_are_logarithmic_and_yet_show_time_zero() -> None:
    ax = plots.map_figure(compared()).axes[4]
    at = ax.transData.transform([(t, 0.0) for t in (0.0, 0.1, 1.0, 10.0, 100.0)])[:, 0]
    decades = np.diff(at)[1:]
    assert np.all(np.isfinite(at))
    assert_allclose(decades, decades[0], rtol=0.1)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "0.1", "1", "10", "100"]


def test_images_put_the_first_frequency_to_the_right_and_the_second_upwards() -> None:
    xi = grid(2, count=9)
    data = plots.as_dataset(Decaying(), xi)
    marked = np.argmax((xi[:, 0] == 3) & (xi[:, 1] == -2))
    data.error.values[0, 0, marked] = 100
    mesh = meshes(plots.image_figure(data))[0]
    image = np.asarray(mesh.get_array())
    row, column = np.unravel_index(np.argmax(image), image.shape)
    axis = np.linspace(-4, 4, 9)
    assert (axis[column], axis[row]) == (3, -2)


def test_images_have_a_row_for_each_source_and_one_colour_scale() -> None:
    data = compared(dim=2)
    drawn = meshes(plots.image_figure(data, count=4))
    assert len(drawn) == 3 * 4
    assert len({id(mesh.norm) for mesh in drawn}) == 1
    last = np.abs(data.error.sel(source="network").isel(time=-1).values).reshape(33, 33)
    assert_allclose(drawn[-1].get_array(), last.T, rtol=1e-14)


def test_images_need_a_grid_in_two_dimensions() -> None:
    with pytest.raises(ValueError, match="tensor grid of frequencies in two dimensions"):
        plots.image_figure(compared(dim=1))
    with pytest.raises(ValueError, match="5 points"):
        plots.image_figure(Decaying(), np.random.default_rng(0).normal(size=(5, 2)))


def test_difference_lines_are_the_differences_of_sources_and_members() -> None:
    data = compared()
    ax = plots.difference_figure(data, {"allowed": 0.25}).axes[0]
    curves = [line.get_ydata() for line in ax.lines if len(line.get_ydata()) == len(TIMES)]
    members = data.member_difference.sel(source="network").values
    expected = [data.difference.sel(source="kernel"), *members, data.difference.sel(source="network")]
    assert_array_equal(np.array(curves), np.array(expected))
    assert any(np.all(np.asarray(line.get_ydata()) == 0.25) for line in ax.lines)
    assert ax.get_ylim()[0] == 0
    assert ax.get_ylim()[1] > max(0.25, float(np.nanmax(members)))


def test_half_lives_are_those_of_exponential_decay_where_the_error_stands_out() -> None:
    xi = np.linspace(0, 12, 49)[:, None]
    figure = plots.half_life_figure(compare({"pde": Decaying(), "network": Decaying(0.5)}, xi))
    predicted, measured = figure.axes[0].lines[:2]
    exact = np.log(2) / Decaying.rate(xi[:, 0])
    # Exponentials are straight in the log-linear interpolation, so half-lives are exact.
    shown = (np.exp(-xi[:, 0] / 2) > 1e-2) & (exact <= 100)
    assert_array_equal(np.isfinite(predicted.get_ydata()), shown)
    assert_allclose(predicted.get_ydata()[shown], exact[shown], rtol=1e-9)
    inside = np.isfinite(measured.get_ydata())
    assert_allclose(measured.get_ydata()[inside], 2 * exact[inside], rtol=1e-9)


def test_tones_are_marked_and_may_reach_beyond_the_run() -> None:
    tones = xr.Dataset(
        {"half_life": (("source", "frequency"), [[2.0, 5000.0], [2.1, np.inf]])},
        coords={"source": ["pde", "network"], "frequency": [1.0, 6.0]},
    )
    data = compare({"pde": Decaying(), "network": Decaying()}, grid(1))
    ax = plots.half_life_figure(data, tones=tones).axes[0]
    marks = [line for line in ax.lines if line.get_markersize() == 8]
    assert_array_equal(marks[0].get_xydata(), [[1, 2], [6, 5000]])
    assert_array_equal(marks[1].get_xydata(), [[1, 2.1], [6, np.nan]])
    assert ax.get_ylim()[1] > 5000
    assert ax.get_xlim()[1] > 6


def test_a_longer_forecast_takes_the_place_of_the_reference() -> None:
    longer = Decaying()
    longer.times = np.concatenate([[0], np.geomspace(0.1, 1e5, 61)])
    data = compare({"pde": Decaying(), "network": Decaying()}, grid(1, width=6.5))
    lines = plots.half_life_figure(data, forecast=longer).axes[0].lines
    assert np.nanmax(lines[1].get_ydata()) <= 100 < np.nanmax(lines[0].get_ydata())


def test_any_number_of_sources_can_be_told_apart_without_colour() -> None:
    names = ["pde", "kernel", "network", "exact", "wider network", "narrower network"]
    styles = source_styles(names)
    assert len({(style.line, style.marker) for style in styles.values()}) == len(names)
    data = compare({name: Decaying(1 + i / 100) for i, name in enumerate(names)}, grid(1))
    assert len(meshes(plots.map_figure(data))) == 6 + 5
    assert len(plots.spectra_figure(data).axes[0].lines) == 6 * 5


def test_channels_count_together() -> None:
    data = compare({"pde": Decaying()}, grid(1))
    both = data.assign(
        error=xr.concat([3 * data.error, 4j * data.error], "channel").transpose(*data.error.dims, ...)
    )
    assert_allclose(plots.profiles(both).moduli, 5 * plots.profiles(data).moduli, rtol=1e-14)


def test_a_comparison_from_a_file_gives_the_same_picture() -> None:
    data = compared()
    lines, again = (plots.spectra_figure(d).axes[0].lines for d in (data, split_complex(data)))
    assert_array_equal([line.get_ydata() for line in lines], [line.get_ydata() for line in again])


def test_the_state_of_pyplot_is_left_alone(solution: fefreq.MeshSolution, tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    path = plots.save_figure(plots.solution_figure(solution), tmp_path / "solution.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert pyplot.get_fignums() == []
    assert dict(mpl.rcParams) == before


def test_a_solution_at_a_glance_shows_its_field_and_its_coefficients(solution: fefreq.MeshSolution) -> None:
    spectra, over_time, lives, coefficients, _ = plots.solution_figure(solution).axes
    xi = spectra.lines[0].get_xdata()
    assert_allclose(spectra.lines[-1].get_ydata(), np.abs(solution.at(xi)[-1]), rtol=1e-12)
    assert over_time.get_xlim() == (0, 300)
    assert_allclose(
        lives.lines[0].get_ydata()[0],
        fefreq.half_life(solution.times, np.abs(solution.at([0.0])))[0],
        rtol=1e-12,
    )
    exact = solution.model.coefficients(coefficients.lines[0].get_xdata())
    assert_allclose(coefficients.lines[0].get_ydata(), exact.damping)
    assert_allclose(coefficients.lines[1].get_ydata(), exact.diffusion)


def test_a_solution_in_the_plane_is_shown_as_images_too() -> None:
    target = fefreq.Target.from_function(lambda x: np.exp(-10 * np.sum(x**2, axis=1)), [(-1, 1), (-1, 1)], 16)
    model = fefreq.FourierFeatures(fefreq.Gaussian(scale=2.0, dim=2))
    solution = fefreq.FrequencyDiffusion(model, target, mesh_rtol=0.05).solve([0, 10, 100], rtol=1e-4)
    figure = plots.solution_figure(solution)
    figure.draw_without_rendering()
    assert len(meshes(figure)) == 3 + 1


@pytest.mark.parametrize("times", [[0.0], [0.0, 2.0], [1.0, 10.0]])
def test_few_times_can_be_drawn(times: list[float]) -> None:
    field = Decaying()
    field.times = np.array(times)
    for make in (plots.spectra_figure, plots.map_figure, plots.half_life_figure):
        make(field, grid(1)).draw_without_rendering()


def test_a_saved_figure_never_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "spectra.png"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match=r"spectra\.png exists already"):
        plots.save_figure(plots.spectra_figure(Decaying(), grid(1)), path)
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_drawn_is_refused_with_a_remedy() -> None:
    data = compared()
    with pytest.raises(ValueError, match="give the frequencies"):
        plots.spectra_figure(Decaying())
    with pytest.raises(ValueError, match="has its frequencies already"):
        plots.spectra_figure(data, grid(1))
    with pytest.raises(ValueError, match="no variable 'error'"):
        plots.map_figure(data.drop_vars("error"))
    with pytest.raises(ValueError, match=r"several models \(a, b\).*data\.sel\(model=\.\.\.\)"):
        plots.map_figure(xr.concat([data, data], dim=xr.Variable("model", ["a", "b"])))


def test_coefficients_of_all_models_are_drawn_for_both_parities():
    models = {
        "odd": fefreq.MultiScaleSine(fefreq.Gaussian(1.5), (1, 2), rates=fefreq.Rates(bias=0.0)),
        "plain": fefreq.FourierFeatures(fefreq.Gaussian(2.0)),
    }
    damping, diffusion = plots.coefficients_figure(models, 6.0).axes
    assert [len(axes.lines) for axes in (damping, diffusion)] == [3, 3]
    even, odd, plain = damping.lines
    xi = np.asarray(plain.get_xdata())
    assert_array_equal(plain.get_ydata(), models["plain"].coefficients(xi).damping)
    assert_array_equal(odd.get_ydata(), models["odd"].coefficients(xi, "odd").damping)
    assert not np.any(even.get_ydata())
    with pytest.raises(ValueError, match="above 0"):
        plots.coefficients_figure(models, 0.0)
