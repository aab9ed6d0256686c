"""Files for ParaView, read back with VTK: nothing dropped, nothing inside out, nothing half written."""

import copy
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import skfem
import vtk
from vtk.util.numpy_support import vtk_to_numpy

import fefreq
from fefreq.output.paraview import SeriesWriter, Visualisation, VtkMesh, grid_cells, write_xdmf

SHEAR = np.array([[1.0, 0.3, -0.2], [0.1, 0.8, 0.25], [-0.15, 0.2, 1.1]])


def sheared(mesh, sign=1.0):
    """The mesh after a linear map, mirrored where ``sign`` is negative."""
    matrix = SHEAR[: mesh.dim(), : mesh.dim()].copy()
    matrix[0] *= sign
    return type(mesh)(matrix @ mesh.p, mesh.t)


MESHES = {
    "line": skfem.MeshLine(np.array([0.0, 0.1, 0.35, 0.8, 1.0])),
    "triangle": skfem.MeshTri().refined(2),
    "quad": skfem.MeshQuad().refined(2),
    "tetrahedron": skfem.MeshTet().refined(1),
    "hexahedron": skfem.MeshHex().refined(1),
}
ELEMENTS = [
    ("line", skfem.ElementLineP1(), 1, 1),
    ("line", skfem.ElementLineP2(), 2, 2),
    ("line", skfem.ElementLinePp(4), 4, 4),
    ("line", skfem.ElementLineHermite(), 3, 3),
    ("triangle", skfem.ElementTriP1(), 1, 1),
    ("triangle", skfem.ElementTriP2(), 2, 2),
    ("triangle", skfem.ElementTriP4(), 4, 4),
    ("quad", skfem.ElementQuad1(), 1, 1),
    ("quad", skfem.ElementQuad2(), 2, 2),
    ("quad", skfem.ElementQuadP(3), 3, 3),
    ("tetrahedron", skfem.ElementTetP1(), 1, 1),
    ("tetrahedron", skfem.ElementTetP2(), 2, 2),
    ("tetrahedron", skfem.ElementTetCCR(), 2, 4),
    ("hexahedron", skfem.ElementHex1(), 1, 1),
    ("hexahedron", skfem.ElementHex2(), 2, 2),
]
every_element = pytest.mark.parametrize(
    ("kind", "element", "degree", "order"),
    ELEMENTS,
    ids=[f"{k}-{type(e).__name__}" for k, e, _, _ in ELEMENTS],
)


def polynomial(degree):
    return lambda x: (0.3 + np.tensordot(np.array([0.7, -0.4, 0.5])[: len(x)], x, axes=1)) ** degree


def read_vtu(path):
    reader = vtk.vtkXMLUnstructuredGridReader()
    reader.SetFileName(str(path))
    reader.Update()
    assert reader.GetErrorCode() == 0
    return reader.GetOutput()


def read_index(path):
    """Times and files of a series."""
    steps = ET.parse(path).getroot().findall("./Collection/DataSet")
    return [float(s.get("timestep")) for s in steps], [path.parent / s.get("file") for s in steps]


def arrays(grid):
    data = grid.GetPointData()
    return {data.GetArrayName(i): vtk_to_numpy(data.GetArray(i)) for i in range(data.GetNumberOfArrays())}


def signed_sizes(grid):
    """Length along x, area about z or volume of each cell, as VTK computes it, with its sign."""
    if grid.GetCell(0).GetCellDimension() == 3:
        sizes = vtk.vtkCellSizeFilter()
        sizes.SetInputData(grid)
        sizes.Update()
        return vtk_to_numpy(sizes.GetOutput().GetCellData().GetArray("Volume"))
    points = [
        vtk_to_numpy(grid.GetCell(i).GetPoints().GetData()).copy() for i in range(grid.GetNumberOfCells())
    ]
    if grid.GetCell(0).GetCellDimension() == 1:
        return np.array([p[1, 0] - p[0, 0] for p in points])
    following = [np.roll(p, -1, axis=0) for p in points]
    return np.array(
        [(p[:, 0] * q[:, 1] - q[:, 0] * p[:, 1]).sum() / 2 for p, q in zip(points, following, strict=True)]
    )


@every_element
def test_a_polynomial_arrives_exactly_with_positive_volumes(tmp_path, kind, element, degree, order):
    for mesh in (sheared(MESHES[kind]), sheared(MESHES[kind], sign=-1.0)):
        own = copy.deepcopy(element)  # some elements keep coefficients of the first mesh they meet
        basis = skfem.Basis(mesh, own, intorder=2 * degree + 4)
        view = Visualisation(basis)
        field = basis.project(polynomial(degree))
        path = tmp_path / f"{mesh.p[0].sum():.3f}.pvd"
        with SeriesWriter(path, view) as series:
            series.write(0.5, {"error": view.matrix @ field})
        times, files = read_index(path)
        assert times == [0.5]
        grid = read_vtu(files[0])
        points = vtk_to_numpy(grid.GetPoints().GetData())
        np.testing.assert_array_equal(points, view.points)
        np.testing.assert_array_equal(arrays(grid)["error"], view.matrix @ field)
        np.testing.assert_allclose(
            arrays(grid)["error"], polynomial(degree)(points.T[: mesh.dim()]), atol=1e-9
        )
        assert grid.GetNumberOfCells() == mesh.t.shape[1] * order ** mesh.dim()
        sizes = signed_sizes(grid)
        assert (sizes > 0).all()
        np.testing.assert_allclose(sizes.sum(), skfem.Functional(lambda w: 1 + 0 * w.x[0]).assemble(basis))


@pytest.mark.parametrize("kind", ["quad", "hexahedron"])
def test_cells_of_a_sheared_grid_are_not_twisted(tmp_path, kind):
    mesh = sheared(MESHES[kind], sign=-1.0)
    with SeriesWriter(tmp_path / "run.pvd", Visualisation(skfem.Basis(mesh, mesh.elem()))) as series:
        series.write(0.0, {})
    quality = vtk.vtkMeshQuality()
    quality.SetInputData(read_vtu(tmp_path / "run" / "run_0000.vtu"))
    quality.SetQuadQualityMeasureToScaledJacobian()
    quality.SetHexQualityMeasureToScaledJacobian()
    quality.Update()
    edges = SHEAR[: mesh.dim(), : mesh.dim()]
    expected = np.linalg.det(edges) / np.prod(np.linalg.norm(edges, axis=0))
    np.testing.assert_allclose(vtk_to_numpy(quality.GetOutput().GetCellData().GetArray("Quality")), expected)


@pytest.mark.parametrize("kind", MESHES)
def test_elements_of_order_1_are_shown_on_the_mesh_itself(kind):
    mesh = MESHES[kind]
    view = Visualisation(skfem.Basis(mesh, mesh.elem()))
    np.testing.assert_array_equal(view.points[:, : mesh.dim()], mesh.p.T)
    np.testing.assert_array_equal(np.sort(view.cells, axis=1), np.sort(mesh.t.T, axis=1))
    assert abs(view.matrix - np.eye(mesh.p.shape[1])).max() == 0


@pytest.mark.parametrize(
    ("kind", "element"),
    [
        ("line", skfem.ElementLineP2()),
        ("triangle", skfem.ElementTriP2()),
        ("quad", skfem.ElementQuad2()),
        ("tetrahedron", skfem.ElementTetP2()),
        ("hexahedron", skfem.ElementHex2()),
    ],
)
def test_every_unknown_of_an_element_of_order_2_is_the_value_at_one_point(kind, element):
    basis = skfem.Basis(MESHES[kind], element)
    view = Visualisation(basis)
    assert len(view.points) == basis.N
    np.testing.assert_array_equal(np.sort(view.matrix.indices), np.arange(basis.N))
    np.testing.assert_array_equal(view.matrix.data, 1.0)
    np.testing.assert_allclose(
        view.matrix @ basis.doflocs.T, view.points[:, : MESHES[kind].dim()], atol=1e-15
    )


def test_discontinuous_fields_keep_their_jumps():
    basis = skfem.Basis(MESHES["triangle"], skfem.ElementTriP0())
    view = Visualisation(basis)
    values = (view.matrix @ np.arange(basis.N, dtype=float))[view.cells]
    np.testing.assert_array_equal(values, np.repeat(np.arange(basis.N)[:, None], 3, axis=1))


def test_cells_do_not_wrap_around_a_periodic_mesh():
    mesh = MESHES["triangle"]
    ends = [mesh.nodes_satisfying(lambda x, end=end: x[0] == end) for end in (1, 0)]
    view = Visualisation(skfem.Basis(skfem.MeshTri1DG.periodic(mesh, *ends), skfem.ElementTriP2()))
    assert np.ptp(view.points[view.cells], axis=1).max() <= 0.125 + 1e-12


def test_curved_cells_are_subdivided_along_the_curve():
    mesh = skfem.MeshTri2.init_circle(2)
    view = Visualisation(skfem.Basis(mesh, skfem.ElementTriP2()))
    rim = np.linalg.norm(view.points, axis=1).max()
    assert rim == pytest.approx(1.0, abs=1e-12)
    assert len(view.points) == mesh.p.shape[1]


def test_a_finer_division_can_be_asked_for():
    basis = skfem.Basis(MESHES["triangle"], skfem.ElementTriP2())
    view = Visualisation(basis, order=5)
    expected = polynomial(2)(view.points.T[:2])
    np.testing.assert_allclose(view.matrix @ basis.project(polynomial(2)), expected, atol=1e-10)
    assert len(view.cells) == 25 * MESHES["triangle"].t.shape[1]


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_samples_on_a_tensor_grid_lie_at_their_coordinates(tmp_path, dim):
    axes = [np.array([-1.0, 0.0, 2.0]), np.array([3.0, 1.0]), np.array([0.0, 0.5, 1.0, 4.0])][:dim]
    mesh = grid_cells(axes)
    sampled = sum((i + 1) * x for i, x in enumerate(np.meshgrid(*axes, indexing="ij")))
    with SeriesWriter(tmp_path / "grid.pvd", mesh) as series:
        series.write(1.0, {"field": sampled.ravel()})
    grid = read_vtu(tmp_path / "grid" / "grid_0000.vtu")
    points = vtk_to_numpy(grid.GetPoints().GetData())
    np.testing.assert_allclose(arrays(grid)["field"], points[:, :dim] @ (1.0 + np.arange(dim)))
    sizes = signed_sizes(grid)
    assert (sizes > 0).all()
    assert sizes.sum() == pytest.approx(np.prod([np.ptp(a) for a in axes]))


LINE = grid_cells([np.linspace(0, 1, 4)])
KINDS = {
    "complex": np.array([1 + 2j, -3.0, 4j, 0.0]),
    "single": np.array([1 + 2j, -3.0, 4j, 0.0], dtype=np.complex64),
    "flag": np.array([True, False, True, True]),
    "half": np.array([0.5, 1.0, -2.0, 8.0], dtype=np.float16),
    "extended": np.array([0.5, 1.0, -2.0, 8.0], dtype=np.longdouble),
    "count": np.array([1, 2, 3, -4]),
    "float": np.array([0.1, np.nan, np.inf, -1e300]),
}


@pytest.mark.parametrize("compress", [False, True])
def test_arrays_of_every_kind_arrive_exactly(tmp_path, compress):
    with SeriesWriter(tmp_path / "run.pvd", LINE, compress=compress) as series:
        series.write(0.0, KINDS)
    got = arrays(read_vtu(tmp_path / "run" / "run_0000.vtu"))
    for name in ("complex", "single"):
        values = KINDS[name]
        np.testing.assert_array_equal(got.pop(f"{name}_re"), values.real)
        np.testing.assert_array_equal(got.pop(f"{name}_im"), values.imag)
        np.testing.assert_array_equal(got.pop(f"{name}_abs"), np.abs(values))
    assert set(got) == set(KINDS) - {"complex", "single"}
    for name, values in got.items():
        np.testing.assert_array_equal(values, KINDS[name])


def test_the_index_holds_the_times_to_the_last_bit_at_every_moment(tmp_path):
    times = [0.0, 0.1, 1 / 3, 1e3 + 1e-10]
    with SeriesWriter(tmp_path / "deep" / "run.pvd", LINE) as series:
        for i, t in enumerate(times):
            series.write(t, {"step": np.full(4, float(i))})
            read, files = read_index(tmp_path / "deep" / "run.pvd")
            assert read == times[: i + 1]
            assert arrays(read_vtu(files[-1]))["step"][0] == i


def test_an_error_within_a_step_leaves_the_steps_before_it(tmp_path, monkeypatch):
    def fail(path, *args, **kwargs):
        path.write_text("half a file")
        raise OSError("no space left")

    with SeriesWriter(tmp_path / "run.pvd", LINE) as series:
        series.write(0.0, {"a": np.zeros(4)})
        monkeypatch.setattr("meshio.write", fail)
        with pytest.raises(OSError, match="no space"):
            series.write(1.0, {"a": np.zeros(4)})
    assert read_index(tmp_path / "run.pvd")[0] == [0.0]
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["run_0000.vtu"]


ENDLESS = """
import sys, numpy as np
from fefreq.output.paraview import SeriesWriter, grid_cells
mesh = grid_cells([np.linspace(0, 1, 30)] * 3)
with SeriesWriter(sys.argv[1], mesh) as series:
    for step in range(10**6):
        series.write(float(step), {"step": np.full(len(mesh.points), step)})
"""


def test_a_killed_run_opens_up_to_its_last_complete_step(tmp_path):
    path = tmp_path / "run.pvd"
    run = subprocess.Popen([sys.executable, "-c", ENDLESS, str(path)])
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "run_0004.vtu").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    times, files = read_index(path)
    assert len(times) >= 4
    for t, file in zip(times, files, strict=True):
        grid = read_vtu(file)
        assert grid.GetNumberOfCells() == 29**3
        np.testing.assert_array_equal(arrays(grid)["step"], t)


def test_an_existing_series_is_not_overwritten(tmp_path):
    with SeriesWriter(tmp_path / "run.pvd", LINE) as series:
        series.write(0.0, {"a": np.zeros(4)})
    with pytest.raises(FileExistsError, match=r"run\.pvd' exists; remove it or choose another name"):
        SeriesWriter(tmp_path / "run.pvd", LINE)
    (tmp_path / "run.pvd").unlink()
    with pytest.raises(FileExistsError, match="run' exists"):
        SeriesWriter(tmp_path / "run.pvd", LINE)


def test_a_run_that_wrote_nothing_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), SeriesWriter(tmp_path / "run.pvd", LINE):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("when", "data", "error", "sentence"),
    [
        (0.0, {"a": np.zeros(4)}, ValueError, "must be finite and increase"),
        (np.nan, {"a": np.zeros(4)}, ValueError, "must be finite and increase"),
        (1.0, {"b": np.zeros(4)}, ValueError, "must be those of the first time"),
        (1.0, {"a": np.zeros(3)}, ValueError, r"with 4 points it must be \(4,\)"),
        (1.0, {"a": np.array(["x"] * 4)}, TypeError, "must hold numbers"),
        (1.0, {"a_re": np.zeros(4), "a": np.zeros(4) * 1j}, ValueError, "two arrays 'a_re'"),
    ],
)
def test_bad_steps_are_refused_with_a_sentence(tmp_path, when, data, error, sentence):
    with SeriesWriter(tmp_path / "run.pvd", LINE) as series:
        series.write(0.0, {"a": np.zeros(4)})
        with pytest.raises(error, match=sentence):
            series.write(when, data)
    with pytest.raises(ValueError, match="closed"):
        series.write(2.0, {"a": np.zeros(4)})


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: SeriesWriter("run.vtu", LINE), ValueError, r"must end in \.pvd"),
        (lambda: grid_cells([]), ValueError, "1, 2 or 3 axes"),
        (lambda: grid_cells([[0.0, 1.0], [1.0]]), ValueError, r"axis 1 has shape \(1,\)"),
        (lambda: grid_cells([[0.0, 1.0, 0.5]]), ValueError, "neither increasing nor decreasing"),
        (
            lambda: Visualisation(skfem.Basis(MESHES["triangle"], skfem.ElementTriP1()), order=0),
            ValueError,
            "order is 0",
        ),
        (
            lambda: Visualisation(skfem.Basis(MESHES["triangle"], skfem.ElementTriRT1())),
            TypeError,
            "not a scalar element",
        ),
        (
            lambda: Visualisation(skfem.Basis(skfem.MeshWedge1(), skfem.ElementWedge1())),
            TypeError,
            "RefWedge cannot be shown",
        ),
    ],
)
def test_bad_input_is_refused_with_a_sentence(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()


@pytest.mark.parametrize("kind", MESHES)
def test_xdmf_holds_the_same_series_with_its_arrays_beside_it(tmp_path, monkeypatch, kind):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    view = Visualisation(skfem.Basis(MESHES[kind], MESHES[kind].elem()))
    times = [0.0, 0.1, 2.0]
    values = np.random.default_rng(0).standard_normal((3, len(view.points))) * (1 + 2j)
    path = write_xdmf(tmp_path / "run.xdmf", view, times, {"error": values, "flag": values.real > 0})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["elsewhere", "run.h5", "run.xdmf"]
    assert list(elsewhere.iterdir()) == []
    reader = vtk.vtkXdmfReader()
    reader.SetFileName(str(path))
    reader.UpdateInformation()
    assert (
        list(reader.GetOutputInformation(0).Get(vtk.vtkStreamingDemandDrivenPipeline.TIME_STEPS())) == times
    )
    for t, expected in zip(times, values, strict=True):
        reader.UpdateTimeStep(t)
        grid = reader.GetOutputDataObject(0)
        np.testing.assert_array_equal(vtk_to_numpy(grid.GetPoints().GetData()), view.points)
        assert grid.GetNumberOfCells() == len(view.cells)
        got = arrays(grid)
        np.testing.assert_array_equal(got["error_re"] + 1j * got["error_im"], expected)
        np.testing.assert_array_equal(got["error_abs"], np.abs(expected))
        np.testing.assert_array_equal(got["flag"], expected.real > 0)
    with pytest.raises(FileExistsError):
        write_xdmf(path, view, times, {})


@pytest.mark.parametrize(
    ("times", "shape", "sentence"),
    [
        ([1.0, 0.0], (2, 4), "times have shape"),
        ([0.0, 1.0], (3, 4), r"it must be \(2, 4\)"),
    ],
)
def test_bad_xdmf_series_are_refused_and_leave_no_file(tmp_path, times, shape, sentence):
    with pytest.raises(ValueError, match=sentence):
        write_xdmf(tmp_path / "run.xdmf", LINE, times, {"a": np.zeros(shape)})
    assert list(tmp_path.iterdir()) == []


def test_any_mesh_with_points_and_cells_can_be_written(tmp_path):
    triangle = VtkMesh(np.eye(3), "triangle", np.array([[0, 1, 2]]))
    with SeriesWriter(tmp_path / "run.pvd", triangle) as series:
        series.write(0.0, {"a": np.arange(3.0)})
    assert read_vtu(tmp_path / "run" / "run_0000.vtu").GetCellType(0) == vtk.VTK_TRIANGLE


def test_a_solution_is_written_as_xdmf_by_its_ending(tmp_path):
    target = fefreq.Target.from_function(lambda x: np.exp(-8 * x[:, 0] ** 2) * x[:, 0], [(-1, 1)], 64)
    problem = fefreq.FrequencyDiffusion(fefreq.FourierFeatures(fefreq.Gaussian(2.0)), target, mesh_rtol=1e-2)
    solution = problem.solve([0.0, 3.0])
    reader = vtk.vtkXdmfReader()
    reader.SetFileName(str(solution.write(tmp_path / "run.xdmf")))
    reader.UpdateInformation()
    reader.UpdateTimeStep(3.0)
    grid = reader.GetOutputDataObject(0)
    got, xi = arrays(grid), vtk_to_numpy(grid.GetPoints().GetData())[:, :1]
    np.testing.assert_allclose(got["error_re"] + 1j * got["error_im"], solution.at(xi)[1], atol=1e-12)
    np.testing.assert_allclose(got["damping"], solution.model.density.pdf(xi), rtol=1e-12)
    with pytest.raises(FileExistsError):
        solution.write(tmp_path / "run.xdmf")
