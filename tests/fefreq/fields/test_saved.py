"""Files: one reader for all kinds, files of the last version, and sentences for what cannot be read."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import fefreq
from fefreq.fields import saved

# Written by version 0.1.0, before the kinds of files shared a registry; the numbers are what it computed then.
DATA = Path(__file__).parent / "data"
MESH = [
    [0.6297899712481451, 0.1805943144267101],
    [0.47229770617170175, 0.17754320112153046],
    [0.17795531001841175, 0.10938122918292006],
]
POINT = [[0.0, 0.0], [0.17652001199210304, 0.08668926046205368], [0.6055311666527384, 0.3246511178992687]]
DEEP = [[0.0], [0.4814327005709206]]
DESIGN = [0.5615579134338635, [0.576899746301493]]


def test_mesh_solutions_of_the_last_version_are_read():
    solution = fefreq.load(DATA / "mesh-solution.nc")
    assert isinstance(solution, fefreq.MeshSolution)
    assert solution.model == fefreq.FourierFeatures(fefreq.StudentT(2.0, df=3.0), output_std=0.5)
    assert solution.times.tolist() == [0.0, 1.0, 5.0]
    assert solution.target.grid.shape == (16,)
    np.testing.assert_allclose(np.abs(solution.at([0.0, 1.0])), MESH, rtol=1e-12)
    np.testing.assert_allclose(solution.at([0.0, 1.0])[0], solution.target.spectrum([0.0, 1.0]), atol=1e-2)


def test_point_solutions_of_the_last_version_are_read():
    solution = fefreq.load(DATA / "point-solution.nc")
    assert isinstance(solution, fefreq.PointSolution)
    mixture = fefreq.Mixture((fefreq.Gaussian(1.0), fefreq.LogUniform(0.5, 4.0)))
    assert solution.model == fefreq.MultiScaleSine(mixture, (1.0, 2.0), bias="normal", bias_std=0.5)
    assert solution.members.shape == (1, 3, 12, 2)
    np.testing.assert_allclose(solution.predict([0.1])[:, 0], POINT, rtol=1e-9, atol=1e-12)
    deep = fefreq.load(DATA / "deep-solution.nc")
    assert deep.model == fefreq.DeepFourierFeatures(fefreq.Uniform(2.0), 2)
    np.testing.assert_allclose(deep.predict([0.1]), DEEP, rtol=1e-9, atol=1e-12)


def test_designs_of_the_last_version_are_read():
    design = fefreq.load(DATA / "design.npz")
    assert isinstance(design, fefreq.DensityDesign)
    assert design.predicted_error == DESIGN[0]
    np.testing.assert_allclose(design.density.pdf([0.5]), DESIGN[1], rtol=1e-13)


def test_a_table_of_the_last_version_is_told_from_a_recommendation():
    with pytest.raises(ValueError, match=r"plain arrays \(.*mse.* open it with xarray"):
        fefreq.load(DATA / "recommendation.nc")


def test_a_recommendation_is_read_back_whole(tmp_path):
    x = (np.arange(24) + 0.5) / 24
    values = np.stack([np.sin(40 * x), np.cos(30 * x)], axis=1)
    for data in ({"bounds": [(0, 1)]}, {"points": x[:, None]}):
        advice = fefreq.recommend_scale(values, **data, scales=[1, 2], times=[1.0, 10.0])
        back = fefreq.load(advice.save(tmp_path / f"{next(iter(data))}.nc"))
        assert isinstance(back, fefreq.Recommendation)
        xr.testing.assert_identical(back.table, advice.table)
        assert back.best == advice.best
        assert back.density == advice.density
        assert back.split.peak == advice.split.peak
        assert back.split.count == advice.split.count
        np.testing.assert_array_equal(back.split.points, advice.split.points)
        np.testing.assert_array_equal(back.split.values, advice.split.values)
        np.testing.assert_array_equal(back.prediction.values, advice.prediction.values)
        if advice.split.grid is not None:
            np.testing.assert_allclose(back.predicted(), advice.predicted(), atol=1e-12)


def test_residuals_of_any_ensemble_are_read_back(tmp_path):
    target = fefreq.Target.from_grid(np.ones((4, 3, 2)), [(0, 1), (0, 1)])
    members = np.random.default_rng(0).normal(size=(2, 3, 12, 2))
    residuals = fefreq.Residuals(target, [0.0, 1.0, 2.0], members)
    back = fefreq.load(residuals.save(tmp_path / "residuals.nc"))
    assert type(back) is fefreq.Residuals
    np.testing.assert_array_equal(back.members, members)
    np.testing.assert_array_equal(back.times, residuals.times)
    assert back.target.grid.shape == (4, 3)
    with pytest.raises(FileExistsError):
        residuals.save(tmp_path / "residuals.nc")
    assert residuals.until(1.0).save(tmp_path / "residuals.nc", overwrite=True).is_file()
    assert len(fefreq.load(tmp_path / "residuals.nc").times) == 2


class Extended(fefreq.Residuals):
    pass


def test_a_subclass_without_a_format_is_not_written_as_its_parent(tmp_path):
    target = fefreq.Target.from_grid(np.ones(4), [(0, 1)])
    with pytest.raises(TypeError, match="Extended has no format of its own"):
        Extended(target, [0.0], np.ones((1, 1, 4))).save(tmp_path / "extended.nc")


class Answer(saved.Saved):
    format = "an answer for this test 1"

    def to_dataset(self):
        return xr.Dataset({"phase": ("x", [1.0 + 2.0j])})

    @classmethod
    def from_dataset(cls, dataset):
        assert dataset.phase.values[0] == 1.0 + 2.0j
        return cls()


def test_a_class_of_ones_own_is_saved_and_loaded(tmp_path):
    path = Answer().save(tmp_path / "answer.nc")
    assert type(fefreq.load(path)) is Answer
    with pytest.raises(ValueError, match=r"answer\.nc holds no PointSolution, but a Answer"):
        fefreq.PointSolution.load(path)
    with pytest.raises(TypeError, match=r"belong to .*test_saved"):
        type("Thief", (saved.Saved,), {"format": Answer.format, "__module__": "elsewhere"})


def test_files_of_networks_need_the_package_that_trains_them():
    code = f"import fefreq; fefreq.load({str(DATA / 'run.nc')!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "import the package that wrote it first; for trained networks that is harness" in done.stderr
    code = "import harness, sys; assert 'torch' not in sys.modules;" + code
    subprocess.run([sys.executable, "-c", code], check=True)


def damaged(path):
    with xr.open_dataset(DATA / "point-solution.nc", engine="h5netcdf") as dataset:
        dataset.load().drop_vars("integral").to_netcdf(path, engine="h5netcdf")


def unknown(path):
    xr.Dataset(attrs={"format": "of tomorrow 7"}).to_netcdf(path, engine="h5netcdf")


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: None, "is no readable NetCDF file"),
        (lambda path: path.write_text("not a dataset"), "is no readable NetCDF file"),
        (damaged, "is a damaged PointSolution .*integral"),
        (unknown, "'of tomorrow 7', which no imported package reads"),
    ],
)
def test_what_cannot_be_read_is_named_in_a_sentence(write, words, tmp_path):
    path = tmp_path / "file.nc"
    write(path)
    with pytest.raises(ValueError, match=rf"file\.nc .*{words}") as caught:
        fefreq.load(path)
    assert "\n" not in str(caught.value)
