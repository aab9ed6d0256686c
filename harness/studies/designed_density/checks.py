"""What a study of the kind designed-density insists on."""

from __future__ import annotations

from harness.comparison.checks import Check
from harness.comparison.verdicts import Verdict
from harness.studies.designed_density.findings import SOURCES, Findings


class BandsOfErrors(Check[None, Findings]):
    """What designed densities may leave of the error."""

    def judge(self, findings: Findings) -> tuple[Verdict, ...]:
        """One verdict for every check that was asked for; for the ratio, one for every source and exponent."""
        verdicts = []
        if findings.study.checks.ratio is not None:
            allowed = findings.study.checks.ratio
            for exponent in findings.study.exponents:
                for source, name in SOURCES.items():
                    if source in findings.ratio.source:
                        ratio = float(findings.ratio.sel(source=source, exponent=exponent))
                        verdicts.append(
                            Verdict(
                                f"error of the designed density over that of the best other one, exponent "
                                f"{exponent:g}, {name}",
                                f"{ratio:.3f}",
                                f"< {allowed:g}",
                                bool(ratio < allowed),
                            )
                        )
        if findings.study.checks.gradient is not None:
            worst = float(findings.data.gradient_difference.max())
            verdicts.append(
                Verdict(
                    "gradient of the design against finite differences",
                    f"{worst:.1e}",
                    f"≤ {findings.study.checks.gradient:g}",
                    bool(worst <= findings.study.checks.gradient),
                )
            )
        return tuple(verdicts)
