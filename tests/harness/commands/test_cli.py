"""Both command lines as a user meets them."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from problems import features_table, tones_table
from typer.testing import CliRunner

import fefreq
import fefreq.experiments.commands
import harness.commands.app
from fefreq.models import Coefficients, FourierFeatures
from harness.experiments import preset_names, preset_path
from harness.studies.files import find
from harness.training.plane_wave_trainer import PlaneWaveTrainer

EXPERIMENT = (
    """
title = "Two tones <quickly>"
question = "Is the fast tone learned later?"
times = { first = 0.5, last = 20, count = 6 }
"""
    + tones_table(96, [1, 4])
    + features_table(0.5, 2.0)
    + """[training]
width = 2048
seeds = 2
learning_rate = 0.2
[[checks]]
kind = "field"
tolerance = 0.1
"""
)


@pytest.fixture
def experiment(tmp_path):
    path = tmp_path / "two-tones.toml"
    path.write_text(EXPERIMENT, encoding="utf-8")
    return path


def invoke(app, *arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_solve_writes_solution_series_and_picture(experiment, tmp_path):
    result = invoke(fefreq.experiments.commands.app, "solve", experiment, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    solution = fefreq.load(tmp_path / "out" / "solution.nc")
    assert solution.times[-1] == pytest.approx(20)
    assert (tmp_path / "out" / "solution.pvd").is_file()
    flow = fefreq.load(tmp_path / "out" / "kernel.nc")
    xi = [1.0, 4.0]
    gap = np.abs(flow.at(xi) - solution.at(xi)).max()
    assert gap < 1e-3 * np.abs(flow.at(xi)).max()
    assert len(list((tmp_path / "out" / "kernel").glob("*.vti"))) == 7
    assert len(list((tmp_path / "out" / "solution").glob("*.vtu"))) == 7
    assert (tmp_path / "out" / "spectrum.png").read_bytes().startswith(b"\x89PNG")


def test_several_models_get_a_folder_each(experiment, tmp_path):
    two = EXPERIMENT.replace("[model]", "[models.one]")
    experiment.write_text(
        two + '[models.two]\nkind = "fourier-features"\ndensity = { kind = "laplace", scale = 2 }\n'
    )
    assert invoke(fefreq.experiments.commands.app, "solve", experiment, "-o", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out" / "one" / "solution.nc").is_file()
    assert (tmp_path / "out" / "two" / "solution.nc").is_file()


def test_run_leaves_everything_a_user_needs(experiment, tmp_path):
    out = tmp_path / "out"
    result = invoke(harness.commands.app.app, "run", experiment, "-o", out)
    assert result.exit_code == 0, result.output
    data = xr.load_dataset(out / "comparison.nc", engine="h5netcdf")
    assert data.error_re.dims == ("model", "source", "time", "frequency")
    assert float(data.difference.sel(model="model", source="network").max()) < 0.1
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "Two tones &lt;quickly&gt;" in report
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["passed"] is True
    assert manifest["training"]["model"]["width"] == 2048
    assert manifest["versions"]["torch"].startswith("2.")
    assert manifest["experiment"]["target"]["frequencies"] == [1, 4]


def test_run_whose_check_fails_leaves_its_results_and_status_1(experiment, tmp_path):
    out = tmp_path / "out"
    experiment.write_text(
        EXPERIMENT.replace("width = 2048", "width = 32").replace("tolerance = 0.1", "tolerance = 1e-6")
    )
    result = invoke(harness.commands.app.app, "run", experiment, "-o", out)
    assert result.exit_code == 1
    assert "0 of 1 checks passed" in result.output
    assert (out / "report.html").is_file()
    assert json.loads((out / "manifest.json").read_text(encoding="utf-8"))["passed"] is False
    again = invoke(harness.commands.app.app, "run", experiment, "-o", out, "--resume")
    assert again.exit_code == 1
    assert "finished already, and a check failed" in again.output
    assert "status 1 if a check fails" in " ".join(
        invoke(harness.commands.app.app, "run", "--help").output.split()
    )


def test_folder_of_the_same_name_does_not_hide_a_preset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fourier-features-1d").mkdir()
    (tmp_path / "mine").write_text(EXPERIMENT)
    assert find("fourier-features-1d") == preset_path("fourier-features-1d")
    assert find("mine").samefile(tmp_path / "mine")
    result = invoke(harness.commands.app.app, "run", "fourier-features-9d", "-o", "out")
    assert result.exit_code == 2
    assert "there is no file fourier-features-9d and no preset of this name; presets are " in result.stderr
    assert ", fourier-features-1d, " in result.stderr


def test_comparison_series_holds_every_source(experiment, tmp_path):
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader

    out = tmp_path / "out"
    assert invoke(harness.commands.app.app, "run", experiment, "-o", out).exit_code == 0
    reader = vtkXMLUnstructuredGridReader()
    reader.SetFileName(str(sorted((out / "comparison").glob("*.vtu"))[-1]))
    reader.Update()
    arrays = reader.GetOutput().GetPointData()
    data = xr.load_dataset(out / "comparison.nc", engine="h5netcdf")
    for source in ("pde", "network"):
        found = vtk_to_numpy(arrays.GetArray(f"{source}_re"))
        np.testing.assert_allclose(found, data.error_re.sel(model="model", source=source)[-1], rtol=1e-12)


BAD = {
    "misspelt key": (("width = 2048", "widht = 2048"), "did you mean 'width'"),
    "zero width": (("width = 2048", "width = 0"), "training.width"),
    "negative width": (("width = 2048", "width = -5"), "training.width: input should be greater than 0"),
    "nothing to learn": (
        ("frequencies = [1, 4]", "frequencies = [1, 4]\namplitudes = [0, 0]"),
        "zero everywhere",
    ),
    "odd width": (("width = 2048", "width = 2047"), "width must be even"),
    "unstable learning rate": (("learning_rate = 0.2", "learning_rate = 50"), "stab"),
    "other dimension": (("scale = 2.0", "scale = 2.0, dim = 2"), "dimension 2 but the target has 1"),
    "absent device": (("seeds = 2", 'seeds = 2\ndevice = "cuda"'), "CUDA"),
    "unsorted times": (("{ first = 0.5, last = 20, count = 6 }", "[0, 3, 2]"), "must increase"),
}


@pytest.mark.parametrize("mistake", BAD)
def test_bad_input_is_one_sentence_and_status_2_before_any_work(experiment, tmp_path, mistake, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (right, wrong), message = BAD[mistake]
    assert right in EXPERIMENT
    experiment.write_text(EXPERIMENT.replace(right, wrong))
    result = invoke(harness.commands.app.app, "run", experiment, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("app", "verb"), [(fefreq.experiments.commands.app, "solve"), (harness.commands.app.app, "run")]
)
def test_folders_with_another_run_are_left_alone(experiment, tmp_path, app, verb):
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious.txt").write_text("mine")
    result = invoke(app, verb, experiment, "-o", out)
    assert result.exit_code == 2
    assert "holds another run already" in result.stderr
    assert [p.name for p in out.iterdir()] == ["precious.txt"]


def test_damaged_and_pickled_arrays_are_refused(experiment, tmp_path):
    np.save(
        tmp_path / "field.npy", np.array([{}], dtype=object), allow_pickle=True
    )  # what must never be loaded
    start, end = EXPERIMENT.index("[target]"), EXPERIMENT.index("[model]")
    experiment.write_text(
        EXPERIMENT[:start] + '[target]\nkind = "file"\npath = "field.npy"\n' + EXPERIMENT[end:]
    )
    result = invoke(fefreq.experiments.commands.app, "solve", experiment, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "no readable .npy" in result.stderr


@pytest.mark.parametrize("app", [fefreq.experiments.commands.app, harness.commands.app.app])
def test_version_is_told(app):
    assert invoke(app, "--version").output.strip() == f"fefreq {fefreq.__version__}"


@pytest.mark.parametrize(
    ("app", "verb"), [(fefreq.experiments.commands.app, "solve"), (harness.commands.app.app, "run")]
)
def test_output_below_a_file_is_refused_before_any_work(experiment, app, verb):
    result = invoke(app, verb, experiment, "-o", experiment / "out")
    assert result.exit_code == 2
    assert "no folder that can be written to" in result.stderr


def test_list_names_every_preset_with_its_question():
    output = invoke(harness.commands.app.app, "list").output
    for name in ("fourier-features-1d", "initialisation-bias-1d", "terrain-2d"):
        assert name in output


def test_unknown_presets_are_named():
    result = invoke(harness.commands.app.app, "validate", "fourier-features-9d")
    assert result.exit_code == 2
    assert ", fourier-features-1d, " in " ".join(result.stderr.split())


def test_validation_without_names_leaves_out_what_takes_long(monkeypatch):
    ran = []

    def note(described, progress):
        ran.append(described.title)
        raise ArithmeticError("stop here")

    monkeypatch.setattr("harness.studies.files.carry_out", note)
    assert invoke(harness.commands.app.app, "validate", "multiscale-2d").exit_code == 1
    assert invoke(harness.commands.app.app, "validate").exit_code == 1
    assert invoke(harness.commands.app.app, "validate", "--all").exit_code == 1
    quick = ["Fourier features in one dimension", "The initialisation decides what is learned first"]
    assert ran[:3] == ["Multi-scale sine networks in the plane", *quick]
    assert len(ran) == 1 + 3 + len(preset_names())


@pytest.mark.slow
def test_validation_passes_as_shipped_and_fails_when_the_prediction_is_spoiled(monkeypatch, tmp_path):
    trained = []
    train = PlaneWaveTrainer.train

    def remembered(self, progress=None, checkpoints=None):
        if not trained:
            trained.append(train(self, progress, checkpoints))
        return trained[0]

    # Both validations look at the same networks, which do not depend on the prediction.
    monkeypatch.setattr(PlaneWaveTrainer, "train", remembered)
    passed = invoke(harness.commands.app.app, "validate", "fourier-features-1d", "-o", tmp_path / "out")
    assert passed.exit_code == 0, passed.output
    assert (tmp_path / "out" / "fourier-features-1d" / "report.html").is_file()

    honest = FourierFeatures.coefficients

    def spoiled(self, frequencies, parity="even"):
        right = honest(self, frequencies, parity)
        return Coefficients(1.5 * right.diffusion, right.damping)

    monkeypatch.setattr(FourierFeatures, "coefficients", spoiled)
    failed = invoke(harness.commands.app.app, "validate", "fourier-features-1d")
    assert failed.exit_code == 1, failed.output
    assert "FAIL" in failed.output


def run_python(code):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )


def test_help_loads_nothing_heavy():
    heavy = "{'numpy', 'scipy', 'skfem', 'torch', 'matplotlib', 'xarray', 'pydantic', 'meshio'}"
    loaded = "import sys, fefreq, harness, fefreq.experiments.commands, harness.commands.app"
    code = f"{loaded}; print(sorted({heavy} & set(sys.modules)))"
    assert run_python(code).stdout.strip() == "[]"


def test_solving_never_imports_torch(experiment, tmp_path):
    code = (
        "import sys, fefreq.experiments.commands\n"
        f"sys.argv = ['fefreq', 'solve', {str(experiment)!r}, '-o', {str(tmp_path / 'out')!r}]\n"
        "try:\n    fefreq.experiments.commands.main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "assert 'torch' not in sys.modules and 'harness' not in sys.modules"
    )
    run_python(code)
