"""Frequency meshes: what they cover, how fine they are, and what is wrong with bad ones."""

import meshio
import numpy as np
import pytest
import skfem
from skfem.io.meshio import to_meshio

from fefreq.meshes import shapes as meshes
from fefreq.meshes.ball_cells import unit_ball
from fefreq.meshes.checks import check_mesh
from fefreq.meshes.files import read_mesh

CELLS = [("line", 1), ("triangle", 2), ("quadrilateral", 2), ("tetrahedron", 3), ("hexahedron", 3)]


def volume(mesh):
    return skfem.Functional(lambda w: 1 + 0 * w.x[0]).assemble(skfem.Basis(mesh, mesh.elem()))


@pytest.mark.parametrize(("cell", "dim"), CELLS)
def test_boxes_of_every_cell_fill_the_box_with_elements_small_enough(cell, dim):
    widths = [2.0, 1.0, 0.5][:dim]
    mesh = meshes.box(widths, 0.4, breakpoints=(0.3,), cell=cell)
    assert volume(mesh) == pytest.approx(np.prod(2 * np.array(widths)))
    corners = mesh.p[:, mesh.t]
    assert np.max(np.ptp(corners, axis=1)) <= 0.4 + 1e-12
    for axis in mesh.p:
        assert {-0.3, 0.3} <= set(np.round(axis, 12))
    check_mesh(mesh)


@pytest.mark.parametrize(("cell", "dim"), CELLS)
def test_graded_boxes_grow_outwards_by_the_ratio_allowed(cell, dim):
    mesh = meshes.box([4.0] * dim, 1.0, breakpoints=(1.0,), cell=cell, smallest=0.1, growth=1.5)
    nodes = np.unique(np.round(mesh.p[0], 12))
    sizes = np.diff(nodes[nodes >= 0])
    assert sizes[0] <= 0.1
    assert sizes.max() <= 1.0 + 1e-12
    assert np.max(sizes[1:] / sizes[:-1]) < 1.6
    assert 1.0 in nodes
    np.testing.assert_allclose(nodes, -nodes[::-1])
    assert volume(mesh) == pytest.approx(8.0**dim)


@pytest.mark.parametrize(("dim", "exact"), [(1, 4.0), (2, 4 * np.pi), (3, 32 * np.pi / 3)])
def test_balls_fill_the_ball_up_to_a_thin_shell(dim, exact):
    size = 0.75 if dim == 3 else 0.2
    mesh = meshes.ball(2.0, size, dim)
    radii = np.linalg.norm(mesh.p, axis=0)
    assert radii.max() == pytest.approx(2.0)
    if dim > 1:
        np.testing.assert_allclose(radii[mesh.boundary_nodes()], 2.0)
    assert size / 2 < meshes.longest_side(mesh) <= size + 1e-12
    # A side of length s on the sphere of radius R cuts off a shell of at most s² / 3R (triangles: s² / 8R).
    assert exact * (1 - size**2 / (3 * 2.0)) ** dim < volume(mesh) <= exact * (1 + 1e-12)
    check_mesh(mesh)


@pytest.mark.parametrize(("dim", "fan", "shells"), [(2, 6, 12), (3, 20, 6)])
def test_cells_of_a_ball_are_of_one_size_and_as_many_as_its_shells_make(dim, fan, shells):
    mesh = unit_ball(dim, shells)
    assert mesh.t.shape[1] == fan * shells**dim
    corners = mesh.p[:, mesh.t]
    volumes = np.abs(np.linalg.det(np.moveaxis(corners[:, 1:] - corners[:, :1], 2, 0)))
    assert volumes.max() < 1.3 * volumes.mean()
    assert volumes.min() > 0.6 * volumes.mean()
    mirrored = {tuple(p) for p in np.round(-mesh.p.T, 9) + 0.0}
    assert mirrored == {tuple(p) for p in np.round(mesh.p.T, 9) + 0.0}


def test_halving_the_cells_of_a_ball_makes_eight_times_as_many():
    counts = [meshes.ball(1.0, size, 3).t.shape[1] for size in (0.4, 0.2, 0.1)]
    np.testing.assert_allclose(np.array(counts[1:]) / counts[:-1], 8.0)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: meshes.box([1.0, 1.0], 0.1, cell="hexahedron"), "use quadrilateral or triangle"),
        (lambda: meshes.box([1.0], 0.1, smallest=0.0), "smallest element above 0"),
        (lambda: meshes.box([1.0], 0.1, smallest=0.01, growth=1.0), "growth above 1"),
        (lambda: meshes.box([1.0] * 4, 0.1), "1, 2 and 3 dimensions, not 4"),
        (lambda: meshes.box([1.0, -1.0], 0.1), "must be positive and finite"),
        (lambda: meshes.ball(1.0, 0.1, 4), "1, 2 and 3 dimensions"),
        (lambda: meshes.ball(1.0, 0.0, 2), "must be positive"),
        (lambda: meshes.interval(10.0, 1e-12), r"2e\+13 boxes would take .*: use elements larger than 1e-12"),
        (lambda: meshes.box([1.0] * 3, 1e-5, cell="tetrahedron"), "boxes would take .*: use elements larger"),
        (lambda: meshes.box([1.0], 1e-13, smallest=1e-15), "boxes would take .*: use elements larger"),
        (lambda: meshes.ball(1.0, 1e-5, 3), "a ball of .* cells would take .*: use cells larger than 1e-05"),
        (lambda: meshes.element(skfem.MeshHex(), 3), "order 3 do not exist on MeshHex1; use 1 to 2"),
        (lambda: meshes.element(skfem.MeshWedge1(), 1), "not a mesh of lines"),
    ],
)
def test_impossible_meshes_are_refused_with_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def padded(mesh):
    file = to_meshio(mesh)
    file.points = np.pad(file.points, ((0, 0), (0, 3 - file.points.shape[1])))
    return file


FORMATS = [("mesh.msh", "gmsh"), ("mesh.vtu", "vtu"), ("mesh.xdmf", "xdmf")]


@pytest.mark.parametrize(("name", "kind"), FORMATS)
@pytest.mark.parametrize(("cell", "dim"), CELLS)
def test_meshes_of_other_programs_come_in_whole(tmp_path, cell, dim, name, kind):
    mesh = meshes.box([2.0, 1.0, 0.5][:dim], 0.5, cell=cell)
    meshio.write(tmp_path / name, padded(mesh), file_format=kind)
    read = read_mesh(tmp_path / name, dim)
    assert type(read) is type(mesh)
    assert read.t.shape == mesh.t.shape
    assert volume(read) == pytest.approx(volume(mesh))


def write(path, points, cells):
    meshio.write(path, meshio.Mesh(np.array(points, dtype=float), cells), file_format="vtu")
    return path


SQUARE = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
BAD = {
    "mixed": (
        [*SQUARE, [2, 0, 0], [2, 1, 0]],
        [("quad", [[0, 1, 2, 3]]), ("triangle", [[1, 4, 5]])],
        "mixes quad and",
    ),
    "wrong dimension": (SQUARE, [("line", [[0, 1], [1, 2]])], "cells of dimension 1, but 2 is needed"),
    "second order": (
        [*SQUARE, [0.5, 0, 0], [1, 0.5, 0]],
        [("triangle6", [[0, 1, 2, 4, 5, 3]])],
        "all of first order",
    ),
    "not flat": (
        [*SQUARE[:3], [0, 1, 5]],
        [("triangle", [[0, 1, 2], [0, 2, 3]])],
        "not flat in coordinate 2",
    ),
    "repeated": (
        SQUARE,
        [("triangle", [[0, 1, 2], [0, 2, 3], [2, 0, 1]])],
        "cells 0 and 2 of the mesh are the same",
    ),
    "tangled": (SQUARE, [("quad", [[0, 1, 3, 2]])], r"cell 0 around \[0.5, 0.5\]"),
    "flat": (
        [*SQUARE, [2, 0, 0]],
        [("triangle", [[0, 1, 2], [0, 1, 4]])],
        "without volume at a corner, the first is cell 1",
    ),
    "cut": (
        [*SQUARE, [0, 0, 0], [1, 1, 0]],
        [("triangle", [[0, 1, 2], [4, 5, 3]])],
        "merge coincident vertices",
    ),
}


@pytest.mark.parametrize("defect", BAD)
def test_defects_of_meshes_are_located(tmp_path, defect):
    points, cells, sentence = BAD[defect]
    with pytest.raises(ValueError, match=sentence):
        read_mesh(write(tmp_path / "mesh.vtu", points, cells), dim=2)


def test_files_that_are_no_mesh_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"there is no mesh file .*absent\.msh"):
        read_mesh(tmp_path / "absent.msh")


UNREADABLE = [
    "msh",
    "xdmf",
    "xml",
    "med",
    "h5m",
    "su2",
    "nas",
    "dat",
    "tec",
    "f3grid",
    "avs",
    "vtu",
    "vol.gz",
]


@pytest.mark.parametrize("ending", UNREADABLE)
@pytest.mark.parametrize("contents", [b"hello", b"<x>", b"1 2 3\n4 5 6\n"], ids=["text", "tag", "numbers"])
def test_files_with_other_contents_are_named(tmp_path, ending, contents):
    path = tmp_path / f"mesh.{ending}"
    path.write_bytes(contents)
    with pytest.raises(ValueError, match=r"mesh\.[a-z0-9.]+ "):
        read_mesh(path)


@pytest.mark.parametrize(("name", "kind"), [*FORMATS, ("mesh.avs", "avsucd"), ("mesh.vtk", "vtk")])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_files_cut_short_are_named(tmp_path, name, kind, share):
    path = tmp_path / name
    meshio.write(path, padded(meshes.box([1.0, 1.0], 0.5, cell="triangle")), file_format=kind)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=f"{name} "):
        read_mesh(path)


def test_files_of_formats_that_take_another_package_say_which(tmp_path, monkeypatch):
    def read(path):
        raise ModuleNotFoundError("No module named 'netCDF4'")

    monkeypatch.setattr(meshio, "read", read)
    (tmp_path / "mesh.e").write_bytes(b"CDF")
    with pytest.raises(ValueError, match=r"mesh\.e takes a package that is not installed: .*netCDF4"):
        read_mesh(tmp_path / "mesh.e")


def test_cells_of_points_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ValueError, match="vertices 0 to 7, but only 4 points"):
        read_mesh(write(tmp_path / "mesh.vtu", SQUARE, [("triangle", [[0, 1, 2], [0, 2, 7]])]))


def test_defects_of_meshes_made_in_python_are_found_too():
    hexahedra = skfem.MeshHex().refined(1)
    moved = hexahedra.p.copy()
    moved[:, np.argmin(np.linalg.norm(moved - 0.5, axis=0).T)] = 2.0
    with pytest.raises(ValueError, match="inverted at a corner"):
        check_mesh(skfem.MeshHex(moved, hexahedra.t))
    with pytest.raises(ValueError, match="not finite"):
        check_mesh(skfem.MeshLine(np.array([0.0, 1.0, np.inf])))


def displaced(mesh, to):
    """The same mesh with the vertex at the origin somewhere else."""
    points = mesh.p.copy()
    points[:, np.argmin(np.linalg.norm(points, axis=0))] = to
    return type(mesh)(points, mesh.t)


def folded_box():
    """Two boxes beside one another, the second one narrower and folded back into the first."""
    boxes = skfem.MeshHex.init_tensor(np.arange(3.0), np.arange(2.0), np.arange(2.0))
    points = boxes.p.copy()
    last = points[0] == 2
    points[0, last] = 0.6
    points[1:, last] *= 0.9
    return skfem.MeshHex(points, boxes.t)


AXIS = np.linspace(-3, 3, 41)
FOLDED = {
    "intervals": skfem.MeshLine(np.array([[0.0, 1.0, 0.5]]), np.array([[0, 1], [1, 2]])),
    "triangles": displaced(skfem.MeshTri.init_tensor(AXIS, AXIS), [1.0, 0.9]),
    "tetrahedra": displaced(skfem.MeshTet.init_tensor(*[np.linspace(-1, 1, 5)] * 3), [0.8, 0.1, 0.05]),
    "quadrilaterals": skfem.MeshQuad(
        np.array([[0.0, 1.0, 1.0, 0.0, 0.8, 0.2], [0.0, 0.0, 1.0, 1.0, 0.6, 0.6]]),
        np.array([[0, 1, 2, 3], [0, 1, 4, 5]]).T,
    ),
    "hexahedra": folded_box(),
}


@pytest.mark.parametrize("cells", FOLDED)
def test_cells_on_the_same_side_of_their_facet_are_refused(cells):
    mesh = FOLDED[cells]
    with pytest.raises(ValueError, match="lie on the same side of the facet between them") as refused:
        check_mesh(mesh)
    # The two that are named do overlap: the middle of what they share lies on one side of both.
    first, second = (int(word) for word in str(refused.value).split()[1:4:2])
    shared = np.intersect1d(mesh.t[:, first], mesh.t[:, second])
    assert len(shared) == len(mesh.refdom.facets[0])


def test_a_facet_of_three_cells_is_refused():
    points = np.array([[0, 1, 0.5, 0.5, 0.3], [0, 0, 1, -1, 0.7]])
    with pytest.raises(ValueError, match="cells 0, 1 and 2 of the mesh share one facet"):
        check_mesh(skfem.MeshTri(points, np.array([[0, 1, 2], [0, 1, 3], [0, 1, 4]]).T))


def shuffled(mesh):
    """The same mesh with its vertices and cells in another order, and the corners of cells turned round."""
    rng = np.random.default_rng(0)
    order = rng.permutation(mesh.p.shape[1])
    turned = np.roll(mesh.t, 1, axis=0) if mesh.dim() == 2 else mesh.t
    return type(mesh)(mesh.p[:, order], np.argsort(order)[turned][:, rng.permutation(mesh.t.shape[1])])


SOUND = {
    "graded triangles": meshes.box([3.0, 2.0], 0.5, cell="triangle", smallest=0.01),
    "graded hexahedra": meshes.box([3.0] * 3, 1.0, smallest=0.1),
    "refined tetrahedra": skfem.MeshTet().refined(1).refined([1, 4, 8]),
    "refined triangles": skfem.MeshTri().refined(2).refined([1, 5, 6]),
    "disc": meshes.ball(1.0, 0.2, 2),
    "ball": meshes.ball(1.0, 0.5, 3),
    "curved disc": skfem.MeshTri2.init_circle(2),
    "curved ball": skfem.MeshTet2.init_ball(1),
    "curved quadrilaterals": skfem.MeshQuad2.from_mesh(skfem.MeshQuad().refined(2)),
    "curved hexahedra": skfem.MeshHex2.from_mesh(skfem.MeshHex().refined(1)),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_meshes_are_accepted_in_any_numbering(name):
    mesh = SOUND[name]
    check_mesh(mesh)
    if "curved" not in name:
        check_mesh(shuffled(mesh))


def test_curved_cells_are_refused_where_they_bend_too_far():
    disc = skfem.MeshTri2.init_circle(1)
    places = disc.doflocs.copy()
    places[:, disc.dofs.get_facet_dofs(disc.boundary_facets()).flatten()[-1]] *= -0.5
    with pytest.raises(ValueError, match="inverted at a corner"):
        check_mesh(skfem.MeshTri2(places, disc.t))


@pytest.mark.parametrize(
    ("mesh", "error", "sentence"),
    [
        ("a.msh", TypeError, "must be a skfem.Mesh, not builtins.str; read files with .*read_mesh"),
        (meshio.Mesh(np.zeros((2, 3)), [("line", [[0, 1]])]), TypeError, "not meshio.Mesh; read files"),
        (skfem.MeshWedge1(), TypeError, "MeshWedge1; the equation is solved on MeshLine1, MeshTri1"),
        (
            skfem.MeshTri(np.eye(2, 3), np.array([[0], [1], [5]])),
            ValueError,
            r"cell 0 .* vertices \[0, 1, 5\], but there are only 3",
        ),
        (
            skfem.MeshLine(np.array([[0.0, 1.0, 9.0]]), np.array([[0], [1]])),
            ValueError,
            "1 vertices of the mesh belong to no cell, the first is vertex 2",
        ),
        (skfem.MeshTri(np.eye(3), np.array([[0], [1], [2]])), ValueError, r"must be \(2, vertices\)"),
        (skfem.MeshTri(np.eye(2, 3), np.zeros((3, 0), dtype=int)), ValueError, "no cells"),
    ],
)
def test_what_is_no_mesh_is_refused_with_a_sentence(mesh, error, sentence):
    with pytest.raises(error, match=sentence):
        check_mesh(mesh)
