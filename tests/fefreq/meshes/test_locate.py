"""Point location and evaluation, against triangulations, tensor grids and polynomials."""

import numpy as np
import pytest
import skfem
from scipy.spatial import Delaunay

from fefreq.meshes.point_location import Locator, locate, probe_matrix


def geometric(smallest, count):
    """Nodes on [-1, 1] whose distances shrink geometrically towards 0."""
    positive = np.geomspace(smallest, 1.0, count)
    return np.concatenate([-positive[::-1], [0.0], positive])


def sheared(mesh):
    """The same mesh after a linear map without any symmetry."""
    dim = mesh.dim()
    matrix = np.array([[1.0, 0.3, -0.2], [0.1, 0.8, 0.25], [-0.15, 0.2, 1.1]])[:dim, :dim]
    return type(mesh)(matrix @ mesh.p, mesh.t)


def distorted(mesh, seed=0):
    """The same mesh with its vertices displaced: no cell is a parallelogram any more."""
    rng = np.random.default_rng(seed)
    return type(mesh)(mesh.p + 0.03 * rng.standard_normal(mesh.p.shape), mesh.t)


def tensor(kind, axes):
    return (
        {2: skfem.MeshQuad, 3: skfem.MeshHex}[len(axes)].init_tensor(*axes)
        if kind == "box"
        else {
            2: skfem.MeshTri,
            3: skfem.MeshTet,
        }[len(axes)].init_tensor(*axes)
    )


def in_cells(mesh, count, seed=0):
    """Random cells and places in them: ``cells (n,)``, ``local (dim, n)``, ``points (n, dim)``."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(mesh.t.shape[1], size=count)
    if mesh.refdom.__name__ in ("RefTri", "RefTet"):
        local = rng.dirichlet(np.ones(mesh.dim() + 1), count)[:, :-1].T
    else:
        local = rng.uniform(0, 1, (mesh.dim(), count))
    return cells, local, image(mesh, cells, local)


def image(mesh, cells, local):
    """Points with given local coordinates by scikit-fem's element maps."""
    return mesh.mapping().F(local[:, :, None], tind=cells)[:, :, 0].T


LINE = skfem.MeshLine(np.array([0.0, 0.1, 0.35, 0.8, 1.0, 1.6]))
MESHES = {
    "line": LINE.refined(1),
    "triangle": sheared(skfem.MeshTri().refined(2)),
    "quad": distorted(skfem.MeshQuad().refined(2)),
    "tetrahedron": sheared(skfem.MeshTet().refined(1)),
    "hexahedron": distorted(skfem.MeshHex().refined(1)),
}
ELEMENTS = [
    ("line", skfem.ElementLineP1(), 1),
    ("line", skfem.ElementLineP2(), 2),
    ("line", skfem.ElementLinePp(5), 5),
    ("line", skfem.ElementLineHermite(), 3),
    ("triangle", skfem.ElementTriP1(), 1),
    ("triangle", skfem.ElementTriP2(), 2),
    ("triangle", skfem.ElementTriP3(), 3),
    ("triangle", skfem.ElementTriP4(), 4),
    ("triangle", skfem.ElementTriArgyris(), 5),
    ("triangle", skfem.ElementDG(skfem.ElementTriP2()), 2),
    ("quad", skfem.ElementQuad1(), 1),
    ("quad", skfem.ElementQuad2(), 2),
    ("quad", skfem.ElementQuadP(3), 3),
    ("tetrahedron", skfem.ElementTetP0(), 0),
    ("tetrahedron", skfem.ElementTetP1(), 1),
    ("tetrahedron", skfem.ElementTetP2(), 2),
    ("hexahedron", skfem.ElementHex1(), 1),
    ("hexahedron", skfem.ElementHex2(), 2),
]


@pytest.mark.parametrize(
    ("kind", "element", "degree"), ELEMENTS, ids=[f"{k}-{type(e).__name__}-{d}" for k, e, d in ELEMENTS]
)
def test_polynomials_of_the_degree_of_the_element_are_evaluated_exactly(kind, element, degree):
    mesh = MESHES[kind]
    direction = np.array([0.7, -0.4, 0.5])[: mesh.dim()]

    def polynomial(x):
        return (0.3 + np.tensordot(direction, x, axes=1)) ** degree

    basis = skfem.Basis(mesh, element, intorder=2 * degree + 4)
    _, _, points = in_cells(mesh, 200)
    vertices = mesh.p[:, mesh.t].mean(axis=1).T if degree == 0 else mesh.p.T
    points = np.concatenate([points, vertices])
    values = probe_matrix(basis, points) @ basis.project(polynomial)
    np.testing.assert_allclose(values, polynomial(points.T), atol=1e-9)


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_random_triangulations_agree_with_scipy(dim, seed):
    rng = np.random.default_rng(seed)
    triangulation = Delaunay(rng.uniform(-1, 1, (40, dim)))
    kind = {2: skfem.MeshTri, 3: skfem.MeshTet}[dim]
    mesh = kind(triangulation.points.T.copy(), triangulation.simplices.T.astype(np.int32))
    points = rng.uniform(-1.2, 1.2, (500, dim))
    np.testing.assert_array_equal(locate(mesh, points)[0], triangulation.find_simplex(points))


@pytest.mark.parametrize("dim", [2, 3])
def test_sheared_tensor_grids_agree_with_searching_their_axes(dim):
    axes = [np.array([0.0, 0.1, 0.5, 2.0]), np.array([-1.0, 0.0, 0.25]), np.array([0.0, 1.0, 1.5, 1.7])][:dim]
    straight = tensor("box", axes)
    mesh = sheared(straight)
    matrix = np.linalg.lstsq(straight.p.T, mesh.p.T)[0]
    before = np.random.default_rng(2).uniform(-1.5, 2.5, (2000, dim))
    cells, _ = locate(mesh, before @ matrix)
    inside = np.all([(a[0] <= x) & (x <= a[-1]) for a, x in zip(axes, before.T, strict=True)], axis=0)
    np.testing.assert_array_equal(cells >= 0, inside)
    corners = straight.p[:, straight.t[:, cells[inside]]]
    found = before[inside].T
    assert ((corners.min(axis=1) <= found) & (found <= corners.max(axis=1))).all()


@pytest.mark.parametrize("kind", MESHES)
def test_agrees_with_scikit_fem_on_small_meshes(kind):
    mesh = MESHES[kind]
    basis = skfem.Basis(mesh, mesh.elem())
    _, _, points = in_cells(mesh, 50, seed=4)
    expected = basis.probes(points.T)
    np.testing.assert_allclose(probe_matrix(basis, points).toarray(), expected.toarray(), atol=1e-10)


THIN = np.linspace(-1e-3, 1e-3, 6)
WIDE = np.linspace(-1, 1, 6)
TURN = np.linalg.qr(np.random.default_rng(5).standard_normal((3, 3)))[0]
DIFFICULT = {
    "line graded to 1e-6": skfem.MeshLine(geometric(1e-6, 12)),
    "triangles graded to 1e-6": tensor("simplex", [geometric(1e-6, 12)] * 2),
    "quads graded to 1e-6": tensor("box", [geometric(1e-6, 12)] * 2),
    "tetrahedra graded to 1e-6": tensor("simplex", [geometric(1e-6, 5)] * 3),
    "hexahedra graded to 1e-6": tensor("box", [geometric(1e-6, 5)] * 3),
    "triangles of aspect 1e3": tensor("simplex", [WIDE, THIN]),
    "hexahedra of aspect 1e3": tensor("box", [WIDE, WIDE, THIN]),
    "turned tetrahedra of aspect 1e3": skfem.MeshTet(
        TURN @ tensor("simplex", [WIDE, WIDE, THIN]).p, tensor("simplex", [WIDE, WIDE, THIN]).t
    ),
    "turned hexahedra of aspect 1e6": skfem.MeshHex(
        TURN @ tensor("box", [WIDE, WIDE, THIN * 1e-3]).p, tensor("box", [WIDE, WIDE, THIN * 1e-3]).t
    ),
    "far from the origin": skfem.MeshTri().refined(2).translated((1e6, -1e6)),
    "one cell": skfem.MeshQuad(),
}


@pytest.mark.parametrize("name", DIFFICULT)
def test_every_point_of_a_difficult_mesh_is_found(name):
    mesh = DIFFICULT[name]
    _, _, points = in_cells(mesh, 2000, seed=3)
    points = np.concatenate([points, mesh.p.T, mesh.p[:, mesh.facets].mean(axis=1).T])
    cells, local = locate(mesh, points)
    assert (cells >= 0).all()
    corners = mesh.p[:, mesh.t[:, cells]]
    slack = 1e-11 * np.ptp(corners, axis=1) + 1e-14 * np.abs(points.T)
    assert (slack >= np.abs(image(mesh, cells, local.T) - points).T).all()


@pytest.mark.parametrize(
    "mesh", [skfem.MeshTri2.init_circle(2), skfem.MeshTet2.init_ball(1)], ids=["disc", "ball"]
)
def test_curved_cells_hold_the_points_outside_their_straight_sides(mesh):
    cells, local, points = in_cells(mesh, 1000)
    found, places = locate(mesh, points)
    assert (np.linalg.norm(points, axis=1) > 0.95).any()
    np.testing.assert_array_equal(found, cells)
    np.testing.assert_allclose(places.T, local, atol=1e-9)


def test_corners_of_strongly_distorted_quadrilaterals_are_found():
    rng = np.random.default_rng(8)
    quads = rng.standard_normal((4000, 4, 2))
    sides = np.roll(quads, -1, axis=1) - quads
    following = np.roll(sides, -1, axis=1)
    turns = sides[..., 0] * following[..., 1] - sides[..., 1] * following[..., 0]
    convex = quads[(turns > 1e-3).all(axis=1)]
    corners = np.arange(4 * len(convex)).reshape(-1, 4)
    apart = convex + 20.0 * np.arange(len(convex))[:, None, None] * np.array([1.0, 0.0])
    mesh = skfem.MeshQuad(np.ascontiguousarray(apart.reshape(-1, 2).T), np.ascontiguousarray(corners.T))
    cells, _ = locate(mesh, mesh.p.T)
    assert len(convex) > 50
    np.testing.assert_array_equal(cells, corners.ravel() // 4)


def test_cells_without_volume_hold_no_points_and_disturb_no_others():
    corners = np.array([[0.0, 1.0, 0.0, 0.5], [0.0, 0.0, 1.0, 0.0]])
    mesh = skfem.MeshTri(corners, np.array([[0, 1, 3], [0, 1, 2]]).T)
    np.testing.assert_array_equal(locate(mesh, [[0.3, 0.3], [0.25, 0.25], [0.9, 0.9]])[0], [1, 1, -1])


@pytest.mark.parametrize("kind", MESHES)
def test_points_just_outside_are_outside(kind):
    mesh = MESHES[kind]
    top = mesh.p[:, mesh.p[0].argmax()]
    step = np.zeros(mesh.dim())
    step[0] = 1e-9
    cells, local = locate(mesh, [top, top + step, top + 1e9 * step])
    assert cells[0] >= 0
    assert (cells[1:] == -1).all()
    assert np.isnan(local[1:]).all()


def test_the_error_names_the_number_the_first_point_and_the_box():
    basis = skfem.Basis(skfem.MeshTri(), skfem.ElementTriP1())
    points = [[0.5, 0.5], [1.5, 0.25], [0.1, 0.1], [-2.0, 0.0]]
    with pytest.raises(ValueError, match=r"2 of 4 .* point 1 at \(1\.5, 0\.25\).* \[0, 1\] x \[0, 1\]"):
        probe_matrix(basis, points)


@pytest.mark.parametrize(
    ("outside", "value"), [("zero", 0.0), ("nan", np.nan), (0.0, 0.0), (0, 0.0), (float("nan"), np.nan)]
)
def test_outside_the_field_is_what_was_asked_for(outside, value):
    basis = skfem.Basis(skfem.MeshTri(), skfem.ElementTriP2())
    field = basis.project(lambda x: 1 + x[0]) * (1 - 2j)
    values = probe_matrix(basis, [[2.0, 2.0], [0.5, 0.25], [0.3, -1.0]], outside=outside) @ field
    np.testing.assert_allclose(values[1], 1.5 - 3j)
    np.testing.assert_array_equal(values[[0, 2]].real, value)


def test_values_do_not_depend_on_the_points_asked_for_before():
    element = skfem.ElementLinePp(4)
    basis = skfem.Basis(LINE, element)
    field = np.random.default_rng(0).standard_normal(basis.N)
    count = basis.X.shape[1]  # as many points as the element has just been asked for
    points = np.linspace(0.01, 1.5, count)
    one_by_one = [float((probe_matrix(basis, [x]) @ field)[0]) for x in points]
    np.testing.assert_allclose(probe_matrix(basis, points) @ field, one_by_one, rtol=1e-12)


def test_a_locator_built_once_answers_like_a_new_one():
    mesh = MESHES["tetrahedron"]
    basis = skfem.Basis(mesh, skfem.ElementTetP2())
    locator = Locator(mesh)
    for seed in range(2):
        _, _, points = in_cells(mesh, 30, seed)
        difference = probe_matrix(basis, points, locator=locator) - probe_matrix(basis, points)
        assert abs(difference).max() == 0


def test_evaluation_leaves_nothing_behind_in_the_mapping():
    basis = skfem.Basis(MESHES["quad"], skfem.ElementQuadBFS())
    before = len(basis.mapping._cache)
    probe_matrix(basis, [[0.4, 0.4], [0.6, 0.5]])
    assert len(basis.mapping._cache) == before


def test_periodic_meshes_are_located_by_their_coordinates():
    mesh = skfem.MeshTri().refined(2)
    ends = [mesh.nodes_satisfying(lambda x, end=end: x[0] == end) for end in (1, 0)]
    periodic = skfem.MeshTri1DG.periodic(mesh, *ends)
    points = np.random.default_rng(0).uniform(0, 1, (50, 2))
    np.testing.assert_array_equal(locate(periodic, points)[0], locate(mesh, points)[0])


def test_no_points_give_a_matrix_without_rows():
    basis = skfem.Basis(LINE, skfem.ElementLinePp(3))
    assert probe_matrix(basis, np.zeros((0, 1))).shape == (0, basis.N)


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"outside": "ignore"}, ValueError, "outside is 'ignore'"),
        ({"outside": 1.0}, ValueError, "outside is 1.0; .* a matrix gives no other number"),
        ({"points": [[0.0, 0.0, 0.0]]}, ValueError, r"\(n, 2\)"),
        ({"points": [[np.nan, 0.0]]}, ValueError, "finite"),
        (
            {"basis": skfem.Basis(MESHES["triangle"], skfem.ElementTriRT1())},
            TypeError,
            "not a scalar element",
        ),
        ({"basis": skfem.Basis(skfem.MeshWedge1(), skfem.ElementWedge1())}, TypeError, "RefWedge"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(change, error, sentence):
    good = {"basis": skfem.Basis(MESHES["triangle"], skfem.ElementTriP1()), "points": [[0.3, 0.3]]}
    with pytest.raises(error, match=sentence):
        probe_matrix(**(good | change))
