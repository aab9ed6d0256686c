"""Whether the views of a density tell one story: pdf, samples, characteristic function, balls, bounds, file."""

from __future__ import annotations

import math

import numpy as np

from fefreq.densities.base import Density
from fefreq.models.model import Model
from fefreq.support.arrays import FloatArray
from fefreq.support.families import require_member
from fefreq.testing.quadrature import Edges, box_rule, polar_rule

RADII = (0.02, 0.3, 0.5, 0.8, 0.9, 0.95, 0.999)
SIGMAS = 4.5  # one comparison in 150,000 lies outside by chance
# Shares of the frequencies inside the ends of panels, where nothing else is known: tails in ever longer panels.
SHARES = (
    1e-12,
    0.2,
    0.4,
    0.6,
    0.8,
    0.9,
    0.97,
    0.99,
    0.997,
    0.999,
    0.9997,
    0.9999,
    1 - 1e-5,
    1 - 1e-6,
    1 - 1e-7,
)


def check_density(
    density: Density,
    *,
    edges: Edges | None = None,
    radial: bool = False,
    has_pdf: bool = True,
    file: bool = True,
    draws: int = 60_000,
    seed: int = 0,
) -> None:
    """Insist that all methods of a density, in up to three dimensions, speak of the same one.

    The pdf integrates to one; its cosine transform, and the mean cosine of samples, are the characteristic function;
    balls hold the share of samples and of the pdf that ``radius`` and ``mass_within`` say; pdf and characteristic
    function are even; ``maximum``, ``breakpoints``, ``support_radius`` and ``support_box`` are those of the pdf and
    of samples; samples depend on the seed alone; the density comes back from JSON.

    Parameters
    ----------
    density : Density
    edges : sequence of arrays, optional
        Along each axis the ends of the panels of the quadrature, from 0 upwards: where the pdf jumps or has a kink, and
        as many between that six Gauss points a panel integrate it to 1e-6. By default from ``radius``,
        ``breakpoints`` and ``support_box``.
    radial : bool
        The density depends on ``|ξ|`` alone, and of ``edges`` the first array counts, along the radius.
    has_pdf : bool
        False for laws of single frequencies, of which samples, characteristic function and balls are checked.
    file : bool
        False for a class that is not meant to stand in files.
    draws : int
        Number of samples; statistical errors of 4.5 standard deviations pass.
    seed : int
        Of the samples.

    Raises
    ------
    AssertionError
        If two of them disagree; the message says which, and by how much.
    """
    require_member(density, Density, "density", "fefreq.Gaussian(scale=2.0)")
    samples = density.sample(draws, np.random.default_rng(seed))
    insist(samples.shape == (draws, density.dim), f"samples have shape {samples.shape}")
    again = density.sample(draws, np.random.default_rng(seed))
    insist(np.array_equal(samples, again), "samples of one seed differ")
    none = density.sample(0, np.random.default_rng(seed))
    insist(none.shape == (0, density.dim), f"no samples have shape {none.shape}, not (0, {density.dim})")
    radii = {share: density.radius(share) for share in RADII}
    z = separations(density.dim, radii[0.5])
    _check_characteristic(density, samples, z)
    _check_balls(density, samples, radii)
    _check_support(density, samples, radii if has_pdf else None)
    if has_pdf:
        panels = panels_of(density) if edges is None else edges
        _check_pdf(density, panels, radial, z)
        _check_balls_of_pdf(density, panels[0], radial, radii)
        _check_maximum(density, radii)
        _check_breakpoints(density, radial, radii)
    if file:
        back = Density.from_json(density.to_json())
        insist(back == density, f"JSON brings back {back!r}, not {density!r}")


def separations(dim: int, radius: float) -> FloatArray:
    """A few separations ``(6, d)``, up to a fifth of the inverse of the radius that holds half of the frequencies."""
    direction = np.random.default_rng(3).standard_normal((6, dim))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    lengths = np.array([0.005, 0.05, 0.1, 0.2, 0.35, 0.55]) * 0.35 / radius
    return np.asarray(lengths[:, None] * direction)


def _check_characteristic(density: Density, samples: FloatArray, z: FloatArray) -> None:
    kappa = density.characteristic(np.vstack([z, -z, np.zeros((1, density.dim))]))
    near(kappa[6:12], kappa[:6], 1e-12, "the characteristic function is not even")
    near(kappa[12:], np.ones(1), 1e-12, "the characteristic function is not 1 at 0")
    insist(bool(np.all(np.abs(kappa) <= 1 + 1e-12)), f"the characteristic function exceeds 1: {kappa}")
    cosines = np.cos(2.0 * np.pi * samples @ z.T)
    error = SIGMAS * cosines.std(axis=0) / math.sqrt(len(samples)) + 1e-12
    near(
        cosines.mean(axis=0),
        kappa[:6],
        error,
        "the mean cosine of samples is not the characteristic function",
    )


def _check_balls(density: Density, samples: FloatArray, radii: dict[float, float]) -> None:
    distance = np.linalg.norm(samples, axis=1)
    for mass in (0.02, 0.5, 0.9, 0.999):
        radius = radii[mass]
        within = density.mass_within(radius)
        share = float(np.mean(distance <= radius * (1 + 1e-12)))
        error = SIGMAS * math.sqrt(within * (1 - within) / len(samples)) + 1e-12
        near(
            share,
            within,
            error,
            f"the ball of radius({mass}) does not hold the share of samples that mass_within says",
        )
        # A law of single frequencies jumps over the mass: the ball holds at least that much.
        insist(within >= mass * (1 - 1e-9), f"mass_within(radius({mass})) is {within}")


def _check_support(density: Density, samples: FloatArray, radii: dict[float, float] | None) -> None:
    widths = np.array(density.support_box)
    insist(widths.shape == (density.dim,), f"support_box has {len(widths)} widths, not {density.dim}")
    if math.isinf(density.support_radius):
        insist(bool(np.any(np.isinf(widths))), f"support_radius is infinite, but support_box is {widths}")
        if radii is not None and np.all(np.isinf(widths)):
            far = np.full((1, density.dim), 2 * radii[0.999] / math.sqrt(density.dim))
            insist(
                density.pdf(far)[0] > 0, f"support_radius is infinite, but the pdf is 0 at {far[0].tolist()}"
            )
        return
    slack = 1 + 1e-12
    reach = np.abs(samples).max(axis=0)
    insist(bool(np.all(reach <= widths * slack)), f"samples reach {reach}, beyond the support_box {widths}")
    insist(bool(np.all(reach > 0.9 * widths)), f"samples reach {reach} of the support_box {widths} only")
    longest = float(np.linalg.norm(samples, axis=1).max())
    insist(longest <= density.support_radius * slack, f"samples reach {longest}, beyond the support_radius")
    whole, part = (density.mass_within(s * density.support_radius) for s in (1.0, 0.95))
    insist(abs(whole - 1) < 1e-12, f"the ball of the support_radius holds {whole}, not all frequencies")
    insist(part < 1, "0.95 of the support_radius holds all frequencies, so it is not the smallest ball")


def _check_pdf(density: Density, edges: Edges, radial: bool, z: FloatArray) -> None:
    nodes, weights = polar_rule(edges[0], density.dim) if radial else box_rule(edges)
    rho = density.pdf(nodes)
    insist(rho.shape == (len(nodes),), f"the pdf of {len(nodes)} frequencies has shape {rho.shape}")
    insist(bool(np.all(rho >= 0)), f"the pdf is negative somewhere: {rho.min()}")
    some = np.random.default_rng(17).integers(len(nodes), size=500)
    near(density.pdf(-nodes[some]), rho[some], 1e-12 * density.maximum, "the pdf is not even")
    mass = weights * rho
    near(mass.sum(), 1.0, 2e-6, "the pdf does not integrate to 1 (or it needs finer edges)")
    transform = np.array([np.cos(2.0 * np.pi * (nodes @ one)) @ mass for one in z])
    kappa = density.characteristic(z)
    near(transform, kappa, 4e-6, "the cosine transform of the pdf is not the characteristic function")


def _check_balls_of_pdf(density: Density, edges: FloatArray, radial: bool, radii: dict[float, float]) -> None:
    # Across jumps and kinks the angles converge slowly.
    exact = radial or density.dim == 1 or _isotropic(density, radii[0.8])
    for share in (0.3, 0.8):
        radius = radii[share]
        near(density.mass_within(radius), share, 1e-9, f"mass_within(radius({share})) is not {share}")
        panels = np.linspace(edges[0], radius, 12)
        if exact:
            panels = np.unique(np.concatenate([panels, edges[edges < radius]]))
        points, parts = polar_rule(panels, density.dim)
        inside = float(parts @ density.pdf(points))
        tolerance = 1e-7 if exact else 1e-2
        near(inside, share, tolerance, f"the pdf over the ball of radius({share}) is not {share}")


def _check_maximum(density: Density, radii: dict[float, float]) -> None:
    half = [min(width, radii[0.95]) for width in density.support_box]
    axes = (np.linspace(-h, h, 61) for h in half)
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, density.dim)
    seen = max(float(density.pdf(points).max()) for points in (lattice, density.peak_candidates()[0]))
    insist(
        0.99 * density.maximum <= seen <= (1 + 1e-12) * density.maximum,
        f"maximum is {density.maximum}, but the largest of the pdf that was seen is {seen}",
    )


def _check_breakpoints(density: Density, radial: bool, radii: dict[float, float]) -> None:
    stated = density.breakpoints
    if radial and density.dim > 1:  # it can jump on spheres only, which cannot be listed
        insist(stated == (), f"breakpoints are {stated}, but a density of |ξ| alone jumps on spheres")
        return
    reach = 1.2 * max([radii[0.95], *stated])
    step = reach / 20_000
    found: set[float] = set()
    for axis in range(density.dim):
        lattice = step * (np.arange(20_001) + math.sqrt(0.5) / 100)  # breakpoints lie between lattice points
        points = np.full((len(lattice), density.dim), 0.02 * radii[0.5])
        points[:, axis] = lattice
        drop = np.abs(np.diff(density.pdf(points)))
        found |= {float(lattice[i]) for i in np.flatnonzero(drop > 5e-3 * density.maximum)}
    for place in found:
        near = any(abs(place - point) <= 2 * step for point in stated)
        insist(near, f"the pdf jumps near {place:g} along an axis, which is none of the breakpoints {stated}")
    for point in stated:
        near = any(abs(place - point) <= 2 * step for place in found)
        insist(near, f"the breakpoint {point:g} is no jump of the pdf along an axis")


def panels_of(subject: Density | Model) -> Edges:
    """Ends of panels along each axis from 0 upwards, where nothing more is known of a density or model."""
    radii = [0.0, *(subject.radius(share) for share in SHARES)]
    finer = {1: 8, 2: 2}.get(subject.dim, 1)
    panels = []
    for width in subject.support_box:
        inner = [point for point in subject.breakpoints if point < width]
        ends = np.unique(np.minimum([*radii, *inner, width], min(width, 2 * radii[-1])))
        parts = np.arange(finer) / finer
        panels.append(np.append((ends[:-1, None] + np.diff(ends)[:, None] * parts).ravel(), ends[-1]))
    return tuple(panels)


def _isotropic(density: Density, radius: float) -> bool:
    points = radius * np.random.default_rng(5).uniform(-1, 1, (50, density.dim))
    turned = np.zeros_like(points)
    turned[:, 0] = np.linalg.norm(points, axis=1)
    return bool(np.allclose(density.pdf(points), density.pdf(turned), rtol=1e-9, atol=0))


def near(found: object, expected: object, tolerance: object, sentence: str) -> None:
    """Insist that numbers agree to a tolerance, of all or of each."""
    error = np.abs(np.asarray(found, dtype=float) - np.asarray(expected, dtype=float))
    allowed = np.broadcast_to(np.asarray(tolerance, dtype=float), error.shape)
    insist(
        bool(np.all(error <= allowed)),
        f"{sentence}: {np.asarray(found)!s} against {np.asarray(expected)!s}, allowed {np.max(allowed):.2g}",
    )


def insist(holds: bool, sentence: str) -> None:
    """Raise an ``AssertionError`` with the sentence unless something holds."""
    if not holds:
        raise AssertionError(sentence)
