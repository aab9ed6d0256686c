"""Backends of the linear solver: the same answers, chosen by size, with sentences for what cannot be done."""

import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp

from fefreq.diffusion.assembly import make_basis, mass_matrix, operator_matrix
from fefreq.meshes import shapes as meshes
from fefreq.propagation import linear_solvers
from fefreq.propagation.linear_solvers import factorise, plan, separator_size, solve_mass

BACKENDS = ["superlu", "cholmod", "amg"]


def laplacian(*shape):
    """Finite differences on a grid, plus the identity."""
    line = lambda n: sp.diags_array([[-1.0] * (n - 1), [2.0] * n, [-1.0] * (n - 1)], offsets=[-1, 0, 1])  # noqa: E731
    total = sp.identity(1)
    for n in shape:
        total = sp.kron(total, sp.identity(n)) + sp.kron(sp.identity(total.shape[0]), line(n))
    return sp.csr_matrix(total)


@pytest.fixture(scope="module")
def system(request):
    from problems import Given, flat

    basis = make_basis(meshes.box([1.0, 1.0], 0.1, cell="triangle"), 2)
    return mass_matrix(basis) + 0.3 * operator_matrix(basis, Given(flat(0.2), flat(0.5), 2), "even")


@pytest.mark.parametrize("backend", BACKENDS)
def test_backends_agree_with_the_dense_solution(system, backend):
    right = np.random.default_rng(0).standard_normal((system.shape[0], 3))
    exact = np.linalg.solve(system.toarray(), right)
    factors = factorise(system, backend, rtol=1e-12)
    np.testing.assert_allclose(factors.solve(right), exact, rtol=1e-8, atol=1e-8 * np.abs(exact).max())
    one = factors.solve(right[:, 0].copy())
    np.testing.assert_allclose(one, exact[:, 0], rtol=1e-8, atol=1e-8 * np.abs(exact).max())


@pytest.mark.parametrize("backend", BACKENDS)
def test_solving_leaves_the_right_hand_side_alone(system, backend):
    right = np.ones((system.shape[0], 2))
    factorise(system, backend).solve(right)
    assert np.all(right == 1)


@pytest.mark.parametrize("backend", ["superlu", "cholmod"])
def test_singular_matrices_are_named(backend):
    with pytest.raises(ValueError, match="not positive definite"):
        factorise(sp.csr_matrix(np.diag([1.0, 2.0, 0.0, 1.0])), backend)


def test_an_unknown_backend_is_named():
    with pytest.raises(ValueError, match="there are superlu, cholmod, amg"):
        factorise(laplacian(3), "mumps")


def test_a_backend_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(linear_solvers, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs the package kvxopt: install fefreq\[cholmod\]"):
        factorise(laplacian(3), "cholmod")


def test_without_extras_superlu_does_everything(monkeypatch):
    monkeypatch.setattr(linear_solvers, "find_spec", lambda name: None)
    assert plan(laplacian(100, 100)).backend == "superlu"


def test_the_default_follows_the_size_and_the_shape_of_the_mesh(monkeypatch):
    assert plan(laplacian(50)).backend == "superlu"  # small
    assert plan(laplacian(20_000)).backend == "superlu"  # a line has no dense blocks
    assert plan(laplacian(100, 100)).backend == "cholmod"
    monkeypatch.setattr(linear_solvers, "ITERATE_FROM", 300)
    assert plan(laplacian(100, 100)).backend == "cholmod"
    assert plan(laplacian(32, 32, 32)).backend == "amg"


@pytest.mark.parametrize("shape", [(40, 40), (17, 17, 17)])
def test_separators_are_as_large_as_a_cut_through_the_grid(shape):
    assert 0.3 < separator_size(laplacian(*shape)) / shape[0] ** (len(shape) - 1) < 3


def test_separators_are_those_of_the_largest_part_of_a_mesh():
    alone = sp.block_diag([laplacian(3), laplacian(81, 81)], format="csr")
    assert separator_size(alone) == separator_size(laplacian(81, 81))


MESHES = {
    "triangles": (meshes.box([1.0] * 2, 2 / 150, cell="triangle"), 1),
    "quadrilaterals of order 4": (meshes.box([1.0] * 2, 2 / 30, cell="quadrilateral"), 4),
    "hexahedra": (meshes.box([1.0] * 3, 2 / 24, cell="hexahedron"), 1),
    "hexahedra of order 2": (meshes.box([1.0] * 3, 2 / 10, cell="hexahedron"), 2),
    "tetrahedra": (meshes.box([1.0] * 3, 2 / 20, cell="tetrahedron"), 1),
}


@pytest.mark.parametrize("name", MESHES)
def test_factors_take_no_more_memory_than_predicted(name):
    """Numbers and indices of both factors; predictions may be several times too large, never much too small."""
    M = mass_matrix(make_basis(*MESHES[name]))
    factors = linear_solvers.SuperLu(M)._factors
    taken = 12 * (factors.L.nnz + factors.U.nnz)
    assert 0.9 * taken < plan(M, "superlu").memory < 8 * taken


def test_multigrid_is_the_same_every_time_and_leaves_the_random_numbers_alone(system):
    right = np.ones(system.shape[0])
    np.random.seed(1)  # noqa: NPY002
    first = factorise(system, "amg").solve(right)
    drawn = np.random.random()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    assert np.random.random() == drawn  # noqa: NPY002
    np.testing.assert_array_equal(factorise(system, "amg").solve(right), first)


@pytest.mark.parametrize("backend", ["superlu", "cholmod"])
def test_a_backend_that_was_asked_for_is_no_way_round_the_memory(monkeypatch, backend):
    monkeypatch.setattr("fefreq.support.memory.available_memory", lambda: 10**6)
    with pytest.raises(ValueError, match=r"of memory, but 0\.8 MB can be used"):
        factorise(laplacian(81, 81), backend)


def test_factors_that_do_not_fit_into_memory_are_refused_before_work(monkeypatch):
    monkeypatch.setattr(linear_solvers, "find_spec", lambda name: None)
    monkeypatch.setattr("fefreq.support.memory.available_memory", lambda: 10**6)
    with pytest.raises(
        ValueError, match=r"would take .* [MG]B of memory, but 0.8 MB can be used: install fefreq\[amg\]"
    ):
        factorise(laplacian(100, 100))


def test_with_multigrid_factors_that_do_not_fit_are_iterated(monkeypatch):
    monkeypatch.setattr("fefreq.propagation.linear_solvers.usable_memory", lambda: 1e6)
    assert plan(laplacian(100, 100)).backend == "amg"


@pytest.mark.parametrize("direct_up_to", [10, 10**6])
def test_mass_matrices_are_solved_to_rounding_either_way(monkeypatch, direct_up_to):
    monkeypatch.setattr(linear_solvers, "_LARGE_MASS", direct_up_to)
    M = mass_matrix(make_basis(meshes.box([1.0, 1.0], 0.04, cell="triangle"), 1))
    right = np.random.default_rng(0).standard_normal((M.shape[0], 3))
    right[:, 1] = 0
    assert abs(M @ solve_mass(M, right) - right).max() < 1e-12


def test_no_backend_is_imported_before_it_is_used():
    code = """
import sys, fefreq
from fefreq import FrequencyDiffusion
import fefreq.propagation.rational_krylov, fefreq.propagation.linear_solvers
assert not {"kvxopt", "pyamg", "skfem", "meshio", "vtk"} & set(sys.modules), sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
