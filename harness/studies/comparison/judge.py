"""Verdicts: what an experiment file insists on, held against what came out."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from fefreq.experiments.checks import (
    AnyCheck,
    ApartCheck,
    CloserCheck,
    EqualCheck,
    FasterCheck,
    FieldCheck,
    HalfLifeCheck,
    OrderCheck,
    Part,
    ReachCheck,
    StillCheck,
    check_models,
)
from fefreq.experiments.experiment import Experiment
from fefreq.fields.half_life import time_to_level
from fefreq.support.arrays import ComplexArray, FloatArray
from harness.comparison.compare import frequency_points, relative_difference
from harness.studies.comparison.outcome import Case, Verdict


def judge(experiment: Experiment, cases: dict[str, Case]) -> tuple[Verdict, ...]:
    """Evaluate every check of an experiment on every model it concerns."""
    verdicts: list[Verdict] = []
    for check in experiment.checks:
        if isinstance(check, FasterCheck):
            verdicts.append(_faster(check, cases))
            continue
        if isinstance(check, CloserCheck):
            verdicts.append(_closer(check, cases))
            continue
        for name in check_models(check) or tuple(cases):
            label = "" if len(cases) == 1 else f"{name}: "
            verdicts += [_prefixed(v, label) for v in _evaluate(check, cases[name])]
    return tuple(verdicts)


def _evaluate(check: AnyCheck, case: Case) -> list[Verdict]:
    match check:
        case FieldCheck():
            return _field(check, case)
        case HalfLifeCheck():
            return _half_lives(check, case)
        case OrderCheck():
            return [_sooner(check, case)]
        case EqualCheck():
            return [_together(check, case)]
        case StillCheck():
            return [_still(check, case)]
        case ReachCheck():
            return [_reaches(check, case)]
        case ApartCheck():
            return [_apart(check, case)]
    raise AssertionError(f"no way to evaluate {check!r}")


def _part(values: np.ndarray, part: Part) -> np.ndarray:
    """The even part of a field of real data is its real part, the odd part its imaginary part."""
    return {"all": values, "even": values.real, "odd": values.imag}[part]


def _field(check: FieldCheck, case: Case) -> list[Verdict]:
    data = case.comparison
    reference = data.error.sel(source=check.reference).values
    scale = np.linalg.norm(reference[0])

    def distance(fields: ComplexArray) -> FloatArray:
        gap = _part(fields - reference, check.part)
        flat = gap.reshape(*gap.shape[: gap.ndim - reference.ndim + 1], -1)
        return np.asarray(np.linalg.norm(flat, axis=-1) / scale)

    of = "" if check.part == "all" else f" ({check.part} part)"
    what = f"{check.source} against {check.reference}, field{of}"
    mean = distance(data.error.sel(source=check.source).values)
    averaged = ", mean over seeds" if check.source == "network" else ""
    verdicts = [_worst(what + averaged, mean, data.time.values, check.tolerance)]
    if check.each_seed is not None:
        if check.source != "network" or case.run is None:
            raise ValueError(f"each_seed is for trained networks, not for {check.source}")
        members = case.run.members_at(frequency_points(data))
        worst = np.max(distance(members), axis=0)
        verdicts.append(_worst(f"{what}, every seed", worst, data.time.values, check.each_seed))
    return verdicts


def _worst(name: str, difference: np.ndarray, times: np.ndarray, tolerance: float) -> Verdict:
    at = int(np.argmax(difference))
    measured = f"{difference[at]:.2%} of the initial error, at t = {times[at]:.3g}"
    return Verdict(name, measured, f"≤ {tolerance:.2%}", bool(difference[at] <= tolerance))


def _half_lives(check: HalfLifeCheck, case: Case) -> list[Verdict]:
    verdicts = []
    expected = case.tones.half_life.sel(source=check.reference).values
    found = case.tones.half_life.sel(source=check.source).values
    inside = min(float(case.tones.covered.sel(source=name)) for name in (check.source, check.reference))
    for index, (a, b) in enumerate(zip(found, expected, strict=True)):
        if min(a, b) > inside:
            continue  # neither falls inside the run, so there is nothing measured to hold against
        gap = abs(a / b - 1)
        verdicts.append(
            Verdict(
                f"half-life at {tone_name(case, index)}, {check.source} against {check.reference}",
                f"{a:.4g} against {b:.4g}, {gap:.1%}",
                f"≤ {check.tolerance:.1%}",
                bool(gap <= check.tolerance),
            )
        )
    if not verdicts:
        verdicts.append(Verdict("half-lives", "none falls inside the run", "at least one", passed=False))
    return verdicts


def _sooner(check: OrderCheck, case: Case) -> Verdict:
    lives = case.tones.half_life.sel(source=check.source).values
    horizon = float(case.tones.covered.sel(source=check.source))
    # A half-life beyond the horizon is at least the horizon: the ratio is then a lower bound.
    ratio = min(lives[check.later], horizon) / lives[check.sooner]
    bound = "at least " if lives[check.later] > horizon else ""
    return Verdict(
        f"{tone_name(case, check.sooner)} learned sooner than {tone_name(case, check.later)}, {check.source}",
        f"{bound}{ratio:.4g} times",
        f"≥ {check.factor:g} times",
        bool(ratio >= check.factor),
    )


def _together(check: EqualCheck, case: Case) -> Verdict:
    lives = case.tones.half_life.sel(source=check.source).values
    spread = float(np.max(lives) / np.min(lives) - 1) if np.all(np.isfinite(lives)) else float("inf")
    return Verdict(
        f"all tones learned at one rate, {check.source}",
        f"half-lives {', '.join(f'{life:.4g}' for life in lives)}: spread {spread:.1%}",
        f"≤ {check.tolerance:.1%}",
        bool(spread <= check.tolerance),
    )


def _faster(check: FasterCheck, cases: dict[str, Case]) -> Verdict:
    lives = [float(cases[n].tones.half_life.sel(source=check.source)[check.tone]) for n in check.models]
    # Beyond what a source covers a half-life is infinite: only the first may be, for nothing exceeds it.
    falling = all(a > b for a, b in pairwise(lives))
    return Verdict(
        f"{tone_name(cases[check.models[0]], check.tone)} learned sooner by each of {', '.join(check.models)}, "
        f"{check.source}",
        f"half-lives {', '.join(f'{life:.4g}' for life in lives)}",
        "each below the one before",
        falling,
    )


def _still(check: StillCheck, case: Case) -> Verdict:
    field = _part(case.comparison.error.sel(source=check.source).values, check.part)
    change = np.linalg.norm((field - field[0]).reshape(len(field), -1), axis=1) / np.linalg.norm(field[0])
    at = int(np.argmax(change))
    return Verdict(
        f"the {check.part} part of the error stays, {check.source}",
        f"changes by {change[at]:.2%}, at t = {case.comparison.time.values[at]:.3g}",
        f"≤ {check.tolerance:.2%}",
        bool(change[at] <= check.tolerance),
    )


def _reaches(check: ReachCheck, case: Case) -> Verdict:
    data = case.comparison
    found, expected = (
        time_to_level(data.time.values, data.remaining.sel(source=name).values, check.level)
        for name in (check.source, check.reference)
    )
    gap = abs(found / expected - 1) if np.isfinite(found) and np.isfinite(expected) else float("inf")
    return Verdict(
        f"error at {check.level:.0%} of its start, {check.source} against {check.reference}",
        f"t = {found:.4g} against {expected:.4g}, {gap:.1%}",
        f"≤ {check.tolerance:.1%}",
        bool(gap <= check.tolerance),
    )


def _gaps(case: Case, source: str, reference: str) -> np.ndarray:
    """Relative difference of two sources at every time."""
    error = case.comparison.error
    return relative_difference(error.sel(source=source).values, error.sel(source=reference).values)


def _apart(check: ApartCheck, case: Case) -> Verdict:
    gaps = _gaps(case, check.source, check.reference)
    gaps = gaps - gaps[0]  # what differs at the start is the mesh and not what is looked for
    at = int(np.argmax(gaps))
    return Verdict(
        f"{check.source} visibly apart from {check.reference}",
        f"{gaps[at]:.2%} of the initial error, at t = {case.comparison.time.values[at]:.3g}",
        f"≥ {check.at_least:.2%}",
        bool(gaps[at] >= check.at_least),
    )


def _closer(check: CloserCheck, cases: dict[str, Case]) -> Verdict:
    means = [
        float(np.sqrt(np.mean(_gaps(cases[n], check.source, check.reference) ** 2))) for n in check.models
    ]
    return Verdict(
        f"{check.source} closer to {check.reference} with each of {', '.join(check.models)}",
        f"root mean square over times {', '.join(f'{mean:.2%}' for mean in means)}",
        "each below the one before",
        all(a > b for a, b in pairwise(means)),
    )


def tone_name(case: Case, index: int) -> str:
    """Frequency of a tone in words."""
    components = [float(case.tones[f"xi_{axis}"][index]) for axis in range(case.target.dim)]
    unit = "cycle" if components == [1.0] else "cycles"
    return f"{' × '.join(f'{c:g}' for c in components)} {unit}"


def _prefixed(verdict: Verdict, label: str) -> Verdict:
    return Verdict(label + verdict.name, verdict.measured, verdict.allowed, verdict.passed)
