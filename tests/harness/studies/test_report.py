"""Reports: one file that needs nothing else, says what came out, and trusts no text."""

import base64
import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from fefreq import FrequencyDiffusion, Target
from fefreq.fields.error_field import ErrorField
from fefreq.models import Model
from harness.comparison.checks import judge_all
from harness.comparison.compare import compare
from harness.comparison.grid import frequency_grid
from harness.comparison.split import error_split
from harness.comparison.tones import tone_table
from harness.comparison.verdicts import Verdict
from harness.studies import StudyResult
from harness.studies.comparison import sentences
from harness.studies.comparison.case import Case
from harness.studies.comparison.report import overview, sections
from harness.studies.comparison.study import Comparison
from harness.training.run import Run

NASTY = "<script>alert('1 & 2')</script>"


def idealised_run(model: Model, target: Target, times: np.ndarray, seeds: int = 3) -> Run:
    """Networks as the kernel has them, by a dense eigen-decomposition, with rates that scatter like finite width."""
    roots = np.sqrt(target.weights)
    rates, modes = np.linalg.eigh(roots[:, None] * model.kernel(target.points, target.points) * roots)
    rng = np.random.default_rng(0)
    start = modes.T @ (roots * target.values)
    scattered = rates * (1 + 0.05 * rng.standard_normal((seeds, 1, len(rates))))
    residuals = (np.exp(-times[:, None] * scattered) * start) @ modes.T / roots
    return Run(
        model=model,
        target=target,
        times=times,
        members=residuals,
        initial_residuals=residuals[:, 0],
        losses=0.5 * residuals**2 @ target.weights,
        steps=np.ceil(times / 0.1).astype(np.int64),
        rates=np.full(len(times), 0.1),
        width=4096,
        learning_rate=0.1,
        method="dense",
        seconds=12.5,
        metadata={"seed": 7, "start": "antisymmetric", "precision": "float64", "device": "cpu"},
    )


class Exact:
    """A third source, without members."""

    def __init__(self, run: Run) -> None:
        self.times, self.at = run.times, run.at


def outcome_of(content: dict[str, object], third: bool = False) -> StudyResult:
    experiment = Comparison.model_validate(content)
    target, times = experiment.target.make(), experiment.time_values()
    tones, cases = experiment.tones(target.dim), {}
    for name, model in experiment.named_models().items():
        problem = FrequencyDiffusion(model, target, mesh_rtol=experiment.pde.mesh_rtol)
        solution = problem.solve(experiment.forecast_times(), rtol=1e-5)
        run = idealised_run(model, target, times)
        sources: dict[str, ErrorField] = {"pde": solution.until(times[-1])}
        if third:
            sources["kernel"] = Exact(run)
        sources["network"] = run
        table = tone_table({**sources, "pde": solution}, tones)
        comparison = compare(sources, frequency_grid(target, None))
        split = error_split(comparison, solution.until(times[-1]).stats)
        cases[name] = Case(model, target, {**sources, "pde": solution}, comparison, split, table)
    return result_of(experiment, cases)


def result_of(experiment: Comparison, cases: dict[str, Case]) -> StudyResult:
    verdicts = judge_all(experiment.checks, cases)
    shown = sections(cases, experiment.checks)
    return StudyResult(experiment, verdicts, shown, seconds={"narrow: training": 12.5}, findings=cases)


@pytest.fixture(scope="module")
def outcome() -> StudyResult:
    density = {"kind": "gaussian", "scale": 2.0}
    return outcome_of(
        {
            "title": f"Two tones {NASTY}",
            "question": f"Which is first? {NASTY}",
            "training": {"width": 4096},
            "times": {"first": 0.5, "last": 60, "count": 16},
            "target": {
                "kind": "tones",
                "bounds": [[-1, 1]],
                "shape": [96],
                "frequencies": [1, 6],
                "width": 0.2,
            },
            "models": {
                "narrow": {"kind": "fourier-features", "output_std": 0.2, "density": density},
                "wide": {"kind": "fourier-features", "output_std": 0.2, "density": {**density, "scale": 6.0}},
            },
            "pde": {"horizon": 1e4},
            "checks": [
                {"kind": "field", "tolerance": 0.05, "each_seed": 0.09},
                {"kind": "half-life", "tolerance": 1e-9},
            ],
        }
    )


class Page(HTMLParser):
    """Elements of a page, and its text outside styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.source = text
        self._inside: list[str] = []
        self.feed(text)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" not in self._inside:
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page(outcome: StudyResult, tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert outcome.page.write(path) == path
    return Page(path.read_text(encoding="utf-8"))


def test_a_report_needs_no_other_resource(page: Page) -> None:
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.elements}
    for tag, attributes in page.elements:
        for key in ("src", "href", "srcset", "action", "data"):
            address = attributes.get(key, "data:,")
            assert address.startswith(("data:", "#")), f"{tag} refers to {address[:80]}"
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert {link["href"].removeprefix("#") for link in page.all("a")} <= ids


def test_styles_load_nothing(page: Page) -> None:
    style = re.search(r"<style>(.*?)</style>", page.source, re.DOTALL)
    assert style
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_every_verdict_is_told_in_words(page: Page, outcome: StudyResult) -> None:
    assert len(outcome.verdicts) == 4 + 3
    for verdict in outcome.verdicts:
        told = "✓ passed" if verdict.passed else "✗ failed"
        assert f"{verdict.name} {verdict.measured} {verdict.allowed} {told}" in page.text
    failures = sum(not verdict.passed for verdict in outcome.verdicts)
    assert 0 < failures < len(outcome.verdicts)
    assert f"✗ {failures} of 7 checks failed." in page.text


def test_the_summary_says_when_all_is_well_and_when_nothing_was_judged(
    outcome: StudyResult, tmp_path: Path
) -> None:
    one = dataclasses.replace(outcome, sections=())
    passed = Verdict("pigs", "do not fly", "no flight", passed=True)
    for number, (verdicts, summary) in enumerate(
        [
            ((passed, passed), "✓ All 2 checks passed."),
            ((passed,), "✓ The check passed."),
            ((), "nothing was judged"),
        ]
    ):
        path = dataclasses.replace(one, verdicts=verdicts).page.write(tmp_path / f"{number}.html")
        assert summary in Page(path.read_text(encoding="utf-8")).text


def test_text_of_users_is_escaped(page: Page, outcome: StudyResult) -> None:
    assert page.all("script") == []
    assert f"Two tones {NASTY}" in page.text
    assert f"Which is first? {NASTY}" in page.text


def test_the_configuration_can_be_read_back(page: Page, outcome: StudyResult) -> None:
    start = next(word for word in page.words if word.lstrip().startswith("{"))
    assert Comparison.model_validate(json.loads(start)) == outcome.study


def test_every_figure_is_embedded_and_described(page: Page, outcome: StudyResult) -> None:
    images = page.all("img")
    assert len(images) == len(outcome.page.figures()) == 1 + 2 * 5
    for image in images:
        data = base64.b64decode(image["src"].removeprefix("data:image/png;base64,"), validate=True)
        assert data.startswith(b"\x89PNG")
        assert len(image["alt"]) > 40


def test_half_lives_are_told_with_the_numbers_of_the_table(page: Page, outcome: StudyResult) -> None:
    for case in outcome.findings.values():
        for index, tone in enumerate(("1 cycle", "6 cycles")):
            predicted, measured = (
                float(case.tones.half_life.sel(source=s)[index]) for s in ("pde", "network")
            )
            told = f"{measured:.4g}" if np.isfinite(measured) else "more than 60"
            assert (
                f"The half-life of {tone} is predicted as {predicted:.4g} and measured as {told}."
                in page.text
            )
    # The narrow density learns the fast tone after the run: predicted, not measured.
    assert "and measured as more than 60." in page.text
    assert float(outcome.findings["narrow"].tones.half_life.sel(source="pde")[1]) > 60


def test_agreement_is_told_with_the_largest_difference(page: Page, outcome: StudyResult) -> None:
    for case in outcome.findings.values():
        worst = float(case.comparison.difference.max())
        assert f"The field of the networks stays within {100 * worst:.2g} % of the initial error" in page.text


def test_tolerances_of_the_checks_are_drawn(outcome: StudyResult) -> None:
    lines = outcome.page.figures()["narrow-differences"].axes[0].lines
    heights = {float(line.get_ydata()[0]) for line in lines if len(set(line.get_ydata())) == 1}
    assert {0.05, 0.09} <= heights


def test_models_are_laid_side_by_side(page: Page, outcome: StudyResult) -> None:
    found = overview(outcome.findings)
    assert found is not None
    head, rows = found
    assert head == ("model", "source", "1 cycle", "6 cycles")
    assert [row[:2] for row in rows] == [
        (model, source) for model in ("narrow", "wide") for source in ("diffusion equation", "networks")
    ]
    for row in rows:
        assert " ".join(row) in page.text
    assert overview({"wide": outcome.findings["wide"]}) is None


def test_statistics_say_how_the_numbers_were_obtained(page: Page, outcome: StudyResult) -> None:
    case = outcome.findings["wide"]
    for fact in (
        f"Unknowns {case.solution.stats.unknowns:,}",
        "3 of 4,096 neurons",
        "Learning rate, steps 0.1, 600",
        "dense, float64, cpu",
        "Time for the training 12.5 s",
        case.solution.stats.mesh,
        "torch",
    ):
        assert fact in page.text


def test_a_report_never_replaces_a_file(outcome: StudyResult, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match=r"report\.html exists already"):
        dataclasses.replace(outcome, sections=()).page.write(path)
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_figures_can_be_saved_by_themselves(outcome: StudyResult, tmp_path: Path) -> None:
    written = result_of(outcome.study, {"wide": outcome.findings["wide"]}).page.save_figures(tmp_path)
    assert [path.name for path in written] == [
        "spectra.png",
        "maps.png",
        "differences.png",
        "split.png",
        "half-lives.png",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
    names = list(outcome.page.figures())
    assert names[:3] == ["coefficients", "narrow-spectra", "narrow-maps"]


def test_two_dimensions_and_a_third_source_fit_into_the_same_report(tmp_path: Path) -> None:
    outcome = outcome_of(
        {
            "title": "In the plane",
            "times": [0, 5, 50, 200],
            "target": {
                "kind": "tones",
                "bounds": [[-1, 1], [-1, 1]],
                "shape": [12, 12],
                "frequencies": [[1, 1]],
                "width": 0.3,
            },
            "model": {
                "kind": "fourier-features",
                "output_std": 0.1,
                "density": {"kind": "gaussian", "scale": 2.0, "dim": 2},
            },
            "pde": {"mesh_rtol": 0.05},
        },
        third=True,
    )
    page = Page(outcome.page.write(tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "Error over the plane of frequencies" in page.text
    assert len(page.all("img")) == 6
    assert "The field of the kernel flow stays within" in page.text
    assert "1 × 1 cycles" in page.text
    # Without tones the agreement of all frequencies is told instead.
    case = outcome.findings["model"]
    silent = dataclasses.replace(case, tones=case.tones.isel(frequency=slice(0)))
    assert re.search(r"At the \d+ radii .* in the median and .* at most", sentences.half_lives(silent))
    assert sentences.tone_table(silent)[1] == []


def test_a_source_that_coincides_with_the_reference_differs_by_nothing(outcome: StudyResult) -> None:
    case = outcome.findings["wide"]
    data = case.comparison
    same: xr.Dataset = data.assign(
        error=xr.zeros_like(data.error) + data.error.sel(source="pde"),
        difference=xr.zeros_like(data.difference),
    ).drop_vars("member_difference")
    told = sentences.agreement(dataclasses.replace(case, comparison=same))
    assert told.startswith("The field of the networks stays within 0 % of the initial error")
    assert "seeds" not in told
