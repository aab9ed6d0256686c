"""What a study of the kind scale-choice insists on."""

from __future__ import annotations

import numpy as np

from harness.comparison.checks import Check
from harness.comparison.verdicts import Verdict
from harness.studies.scale_choice.findings import Findings


class BandsOfScales(Check[None, Findings]):
    """How far predicted and trained scales may be apart, image by image."""

    def judge(self, findings: Findings) -> tuple[Verdict, ...]:
        """The checks, image by image."""
        bands, scales = findings.study.checks, findings.study.scales
        verdicts = []
        for image in findings.images:
            predicted, trained = findings.best("predicted", image), findings.best("trained", image)
            if bands.neighbours is not None:
                verdicts.append(
                    Verdict(
                        f"{image}: best scale",
                        f"predicted {scales[predicted]:g}, trained {scales[trained]:g}",
                        "the same" if bands.neighbours == 0 else f"at most {bands.neighbours} place(s) apart",
                        abs(predicted - trained) <= bands.neighbours,
                    )
                )
            if bands.loss is not None:
                loss = findings.loss(image)
                verdicts.append(
                    Verdict(
                        f"{image}: loss by following the prediction",
                        f"{loss:.2f} dB",
                        f"≤ {bands.loss:g} dB",
                        loss <= bands.loss,
                    )
                )
            if bands.apart is not None:
                gaps = findings.gaps(image)
                worst = gaps[int(np.argmax(np.abs(gaps.values)))]
                verdicts.append(
                    Verdict(
                        f"{image}: predicted against trained PSNR up to scale {float(gaps.scale[-1]):g}",
                        f"{abs(float(worst)):.2f} dB at scale {float(worst.scale):g}",
                        f"≤ {bands.apart:g} dB",
                        bool(abs(float(worst)) <= bands.apart),
                    )
                )
        return tuple(verdicts)
