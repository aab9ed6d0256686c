"""The split of a disagreement into its parts, on real predictions and networks."""

import numpy as np
import pytest

import fefreq
import harness
from fefreq.fields.coordinates import frequency_points
from harness.studies.comparison.study import Comparison, run_experiment


@pytest.fixture(scope="module")
def case():
    experiment = Comparison.model_validate(
        {
            "title": "Tones cut off at the edge",
            "times": {"first": 0.5, "last": 50, "count": 10},
            "target": {"kind": "tones", "bounds": [[-1, 1]], "shape": [128], "frequencies": [1, 4]},
            "model": {
                "kind": "fourier-features",
                "output_std": 0.5,
                "density": {"kind": "gaussian", "scale": 2.0},
            },
            "pde": {"mesh_rtol": 1e-3},
            "training": {"width": 4096, "seeds": 2, "learning_rate": 0.2},
        }
    )
    return run_experiment(experiment).findings["model"]


def test_parts_are_those_of_a_dense_eigen_decomposition(case):
    """Truncation against ``exp(-tK)``, the learning rate against ``(1 - ηK)^n``, both written out."""
    data, target = case.comparison, case.target
    roots = np.sqrt(target.weights)
    rates, modes = np.linalg.eigh(roots[:, None] * case.model.kernel(target.points, target.points) * roots)
    start = modes.T @ (roots * target.values)
    descended, factor = [np.ones(len(rates))], np.ones(len(rates))
    for span in np.diff(data.time.values):
        count = int(np.ceil(span / 0.2 - 1e-9))
        factor = factor * (1 - span / count * rates) ** count
        descended.append(factor)
    waves = np.exp(-2j * np.pi * target.points @ frequency_points(data).T)

    def spectrum(factors):
        return ((factors * start) @ modes.T / roots * target.weights) @ waves

    exact = spectrum(np.exp(-np.outer(data.time.values, rates)))
    predicted = data.error.sel(source="pde").values
    scale = np.linalg.norm(predicted[0])
    for part, gap in (
        ("truncation", predicted - exact),
        ("learning rate", exact - spectrum(np.array(descended))),
    ):
        written_out = np.linalg.norm(gap, axis=1) / scale
        # The kernel flow is solved to 1e-6 of the initial residual.
        np.testing.assert_allclose(case.split.part.sel(name=part), written_out, atol=5e-6)


def test_an_edge_shows_as_truncation_and_nowhere_else(case):
    worst = {str(n): float(case.split.part.sel(name=n).max()) for n in case.split.name.values}
    assert worst["truncation"] > 0.02
    # Steps of 0.2 at rates up to 2 or so: 0.18 η λ of the fastest mode; 2048 independent neurons: a few per cent.
    assert worst["learning rate"] < 0.18 * 0.2 * fefreq.largest_rate(case.model, case.target)
    assert worst["finite width"] < worst["truncation"]


def test_total_is_what_the_comparison_says(case):
    np.testing.assert_allclose(case.split.total, case.comparison.difference.sel(source="network"), rtol=1e-12)


def test_learning_rate_part_falls_with_the_rate(case):
    times = case.comparison.time.values
    xi = np.arange(-8, 8, 0.25)
    flow = fefreq.KernelFlow(case.model, case.target)
    exact = flow.solve(times, rtol=1e-9)
    gaps = []
    for rate in (0.2, 0.1, 0.05):
        descent = fefreq.KernelFlow(case.model, case.target, dynamics=fefreq.GradientDescent(rate))
        data = harness.compare({"kernel": exact, "descent": descent.solve(times, rtol=1e-9)}, xi)
        gaps.append(float(data.difference.sel(source="descent").max()))
    slope = np.polyfit(np.log([0.2, 0.1, 0.05]), np.log(gaps), 1)[0]
    assert abs(slope - 1) < 0.15


def test_without_training_the_two_predictions_are_compared(case):
    experiment = Comparison.model_validate(
        {
            "title": "No network",
            "times": [0, 1, 10],
            "target": {
                "kind": "tones",
                "bounds": [[-1, 1]],
                "shape": [128],
                "frequencies": [1],
                "width": 0.15,
            },
            "model": {"kind": "fourier-features", "density": {"kind": "gaussian", "scale": 2.0}},
            "checks": [{"kind": "field", "source": "kernel", "tolerance": 1e-3}],
        }
    )
    outcome = run_experiment(experiment)
    assert outcome.passed
    alone = outcome.findings["model"]
    assert alone.run is None
    assert list(alone.comparison.source.values) == ["pde", "kernel"]
    assert list(alone.split.name.values) == ["discretisation", "truncation"]
