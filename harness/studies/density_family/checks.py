"""What a study of the kind density-family insists on."""

from __future__ import annotations

from harness.comparison.checks import Check
from harness.comparison.verdicts import Verdict
from harness.studies.density_family.findings import Findings


class BandsOfErrors(Check[None, Findings]):
    """What the errors of shapes and scales may be."""

    def judge(self, findings: Findings) -> tuple[Verdict, ...]:
        """One for every check that was asked for; about shapes, one for every exponent."""
        bands, verdicts = findings.study.checks, []
        if bands.agreement is not None:
            gap = findings.gap
            worst = gap.isel(abs(gap).argmax(...))
            verdicts.append(
                Verdict(
                    "held-out error of trained networks against the prediction",
                    f"{float(worst):+.1%} at most ({worst.family.item()}, scale {worst.marked.item():g}, "
                    f"exponent {worst.exponent.item():g})",
                    f"± {bands.agreement:.0%}",
                    bool(abs(worst) <= bands.agreement),
                )
            )
        for exponent in findings.study.exponents:
            if bands.shape is not None:
                ratio = float(findings.shape_ratio.sel(exponent=exponent))
                verdicts.append(
                    Verdict(
                        f"best error of one shape over that of another, exponent {exponent:g}",
                        f"{ratio:.3g}",
                        f"≤ {bands.shape:g}",
                        bool(ratio <= bands.shape),
                    )
                )
            if bands.outweighs is not None:
                share = float(findings.outweighs.sel(exponent=exponent))
                scale, shape = (
                    float(ratio.sel(exponent=exponent).min())
                    for ratio in (findings.scale_ratio, findings.shape_ratio)
                )
                verdicts.append(
                    Verdict(
                        f"the scale matters more than the shape, exponent {exponent:g}",
                        f"factors of {scale:.3g} or more against {shape:.3g}, {share:.3g} times in the logarithm",
                        f"≥ {bands.outweighs:g} times",
                        bool(share >= bands.outweighs),
                    )
                )
        return tuple(verdicts)
