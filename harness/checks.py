"""Verdicts: what an experiment file insists on, held against what came out."""

from __future__ import annotations

import numpy as np

from fefreq.experiment import AnyCheck, EqualCheck, Experiment, FieldCheck, HalfLifeCheck, OrderCheck
from harness.compare import relative_difference
from harness.outcome import Case, Verdict


def judge(experiment: Experiment, cases: dict[str, Case]) -> tuple[Verdict, ...]:
    """Evaluate every check of an experiment on every model it concerns."""
    verdicts: list[Verdict] = []
    for check in experiment.checks:
        names = [check.model] if isinstance(check, (OrderCheck, EqualCheck)) else list(cases)
        for name in names:
            label = "" if len(cases) == 1 else f"{name}: "
            verdicts += [_prefixed(v, label) for v in _evaluate(check, cases[name])]
    return tuple(verdicts)


def _evaluate(check: AnyCheck, case: Case) -> list[Verdict]:
    if isinstance(check, FieldCheck):
        return _field(check, case)
    if isinstance(check, HalfLifeCheck):
        return _half_lives(check, case)
    if isinstance(check, OrderCheck):
        return [_sooner(check, case)]
    return [_together(check, case)]


def _field(check: FieldCheck, case: Case) -> list[Verdict]:
    data = case.comparison
    difference = relative_difference(
        data.error.sel(source=check.source).values, data.error.sel(source=check.reference).values
    )
    what = f"{check.source} against {check.reference}, field"
    verdicts = [_worst(f"{what}, mean over seeds", difference, data.time.values, check.tolerance)]
    if check.each_seed is not None:
        members = data.member_difference.sel(source=check.source).values
        worst = np.max(members, axis=0)
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
    inside = float(case.tones.covered.sel(source=check.source))
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


def tone_name(case: Case, index: int) -> str:
    """Frequency of a tone in words."""
    components = [float(case.tones[f"xi_{axis}"][index]) for axis in range(case.target.dim)]
    unit = "cycle" if components == [1.0] else "cycles"
    return f"{' × '.join(f'{c:g}' for c in components)} {unit}"


def _prefixed(verdict: Verdict, label: str) -> Verdict:
    return Verdict(label + verdict.name, verdict.measured, verdict.allowed, verdict.passed)
