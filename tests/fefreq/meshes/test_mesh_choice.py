"""What the rules for meshes promise, against errors that are measured."""

import numpy as np
import pytest
import skfem

import fefreq
from fefreq.diffusion.assembly import make_basis, mass_matrix, project_spectrum, quadrature_points
from fefreq.meshes import shapes as meshes
from fefreq.meshes.choice import automatic, require_resolution

WIDE = fefreq.Target.from_function(lambda x: np.cos(x[:, 0]), [(-8, 8)], 256)
FLAT = fefreq.Target.from_function(lambda x: np.ones(len(x)), [(-1, 1)] * 2, 32)
NARROW = fefreq.Target.from_function(
    lambda x: np.exp(-np.sum(x**2, axis=1) / 0.08) * np.cos(2 * np.pi * x[:, 0]), [(-1, 1)] * 2, 32
)


def measured(mesh, order, target):
    """Relative distance of the projected spectrum from the spectrum, by a quadrature of many more points."""
    basis = make_basis(mesh, order)
    dofs = project_spectrum(basis, mass_matrix(basis), target)
    fine = skfem.Basis(mesh, basis.elem, intorder=2 * order + 8)
    at, shape = quadrature_points(fine)
    exact = target.spectrum(at).reshape(shape)
    found = np.asarray(fine.interpolate(dofs.real)) + 1j * np.asarray(fine.interpolate(dofs.imag))
    return np.sqrt(np.sum(fine.dx * np.abs(found - exact) ** 2) / np.sum(fine.dx * np.abs(exact) ** 2))


@pytest.mark.parametrize(
    ("mesh", "order", "target"),
    [
        (meshes.interval(10.0, 0.04), 1, WIDE),
        (meshes.interval(10.0, 0.05), 2, WIDE),
        (meshes.interval(10.0, 0.1), 4, WIDE),
        (meshes.box([6.0, 6.0], 0.25), 1, FLAT),
        (meshes.box([6.0, 6.0], 0.4, cell="triangle"), 2, FLAT),
        (meshes.box([6.0, 6.0], 0.8), 1, NARROW),
        (meshes.box([6.0, 6.0], 2.0, smallest=0.2), 2, NARROW),
    ],
    ids=["line 1", "line 2", "line 4", "quads 1", "triangles 2", "windowed", "graded"],
)
def test_expected_error_of_a_given_mesh_is_near_the_true_one(mesh, order, target):
    expected = require_resolution(mesh, order, target, largest=0.2)
    assert 0.5 < expected / measured(mesh, order, target) < 3


@pytest.mark.parametrize("order", [1, 2, 4])
def test_elements_of_the_size_that_the_refusal_names_are_accepted(order):
    with pytest.raises(ValueError, match="does not resolve the target") as refused:
        require_resolution(meshes.interval(10.0, 0.5), order, WIDE)
    size = float(str(refused.value).split()[-7].strip(","))
    assert "for a relative error of 0.1" in str(refused.value)
    assert (
        measured(meshes.interval(10.0, size), order, WIDE)
        < require_resolution(meshes.interval(10.0, size), order, WIDE)
        <= 0.1
    )


def test_meshes_that_get_a_fifth_of_the_spectrum_wrong_are_refused(gaussian_model):
    mesh = meshes.interval(10.0, 0.12)
    assert measured(mesh, 2, WIDE) > 0.15
    with pytest.raises(ValueError, match="does not resolve"):
        fefreq.FrequencyDiffusion(gaussian_model, WIDE, mesh=mesh)


def test_meshes_beyond_the_band_have_nothing_to_resolve():
    away = meshes.interval(1.0, 0.5).translated((100.0,))
    assert require_resolution(away, 1, NARROW_LINE) == 0.0


NARROW_LINE = fefreq.Target.from_function(lambda x: np.exp(-(x[:, 0] ** 2) / 0.08), [(-1, 1)], 512)


@pytest.mark.parametrize("rtol", [0.0, 1e-13, 1.0, np.nan])
def test_tolerances_that_double_precision_does_not_reach_are_refused(gaussian_model, rtol):
    with pytest.raises(ValueError, match="below 1 and at least 1e-12 in double precision"):
        automatic(gaussian_model, NARROW_LINE, rtol=rtol)
