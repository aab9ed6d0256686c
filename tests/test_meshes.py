"""Frequency meshes: what they cover, how fine they are, and what is wrong with bad ones."""

import meshio
import numpy as np
import pytest
import skfem
from skfem.io.meshio import to_meshio

from fefreq import meshes
from fefreq.mesh_files import check_mesh, read_mesh

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
    mesh = meshes.ball(2.0, 0.75 if dim == 3 else 0.2, dim)
    assert np.linalg.norm(mesh.p, axis=0).max() == pytest.approx(2.0)
    assert meshes.longest_side(mesh) <= (0.75 if dim == 3 else 0.2) + 1e-12
    assert 0.93 * exact < volume(mesh) <= exact * (1 + 1e-12)
    check_mesh(mesh)


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
    (tmp_path / "text.msh").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.msh is no mesh"):
        read_mesh(tmp_path / "text.msh")


def test_defects_of_meshes_made_in_python_are_found_too():
    hexahedra = skfem.MeshHex().refined(1)
    moved = hexahedra.p.copy()
    moved[:, np.argmin(np.linalg.norm(moved - 0.5, axis=0).T)] = 2.0
    with pytest.raises(ValueError, match="inverted at a corner"):
        check_mesh(skfem.MeshHex(moved, hexahedra.t))
    with pytest.raises(ValueError, match="not finite"):
        check_mesh(skfem.MeshLine(np.array([0.0, 1.0, np.inf])))
