"""The page of a study of scale choice: predicted and trained curves, and every pair of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fefreq.initialisation.scale.pictures import scale_axis
from fefreq.initialisation.scale.table import FLAT
from fefreq.output.plots.axes import new_figure, tidy
from harness.reports.page import Picture, Section, Table

if TYPE_CHECKING:
    from harness.studies.scale_choice.findings import Findings

PREDICTED, TRAINED = "#222222", "#0072B2"


def sections(found: Findings) -> tuple[Section, ...]:
    """All sections of the page."""
    study = found.study
    training = study.training
    by_largest = ", ".join(f"{study.scales[found.largest(image)]:g} for {image}" for image in found.images)
    text = (
        f"Images of {study.samples} × {study.samples} pixels on a square of side 1, grey values from 0 to 1; every "
        "second pixel along both axes is trained on, the other three quarters are held out. Predicted: an infinitely "
        f"wide network with {study.hidden_layers} hidden layers on frozen Fourier features at training time "
        f"{found.data.attrs['time']:.4g}, where a network that learned every pixel by itself would have fitted it to "
        f"e^-10. Trained: {study.hidden_layers} hidden layers of {training.width} ReLU units with biases, as torch "
        f"draws them, on {training.features} frozen frequencies; {training.steps} steps of Adam on batches of "
        f"{training.batch}, learning rate {training.learning_rate:g} falling to 0 like half a cosine; judged after "
        f"the last step. The predicted best is the smallest scale within {FLAT:g} dB of the largest PSNR, a rule made "
        "after a first run on the sample images terrain, mri and photograph; by the largest PSNR alone it would be "
        f"{by_largest}."
    )
    pictures = [
        Picture(
            "scales",
            "Held-out PSNR against the scale",
            "A panel for each image. Line: predicted without training. Dots: trained networks, "
            f"{'one' if training.seeds == 1 else f'mean of {training.seeds}'} for each scale. Rings: the best of each.",
            finding(found),
            lambda: scales_figure(found),
        )
    ]
    for name, advice in found.advice.items():
        if (figure := advice.plot_image()) is not None:
            pictures.append(
                Picture(
                    f"image-{name}",
                    f"What the prediction makes of a quarter of the pixels: {name}",
                    "Left the image, right the predicted output at the predicted best scale.",
                    "",
                    lambda figure=figure: figure,  # type: ignore[misc]
                )
            )
    return (Section("Predicted and trained", text, pictures, [pairs(found), seconds(found)]),)


def finding(found: Findings) -> str:
    """The answer in sentences."""
    scales = found.study.scales
    sentences = []
    for image in found.images:
        predicted, trained = (scales[found.best(source, image)] for source in ("predicted", "trained"))
        difference = (found.data.predicted - found.data.trained).sel(image=image)
        worst = difference[int(np.argmax(np.abs(difference.values)))]
        sentences.append(
            f"{image}: best scale predicted {predicted:g}, trained {trained:g}, so that following the prediction loses "
            f"{found.loss(image):.2f} dB; up to twice the best scale the two differ by at most "
            f"{float(np.abs(found.gaps(image)).max()):.1f} dB, anywhere by {abs(float(worst)):.1f} dB (scale "
            f"{float(worst.scale):g})."
        )
    return " ".join(sentences)


def pairs(found: Findings) -> Table:
    """Every pair of predicted and trained PSNR."""
    rows = []
    for image in found.images:
        for place, scale in enumerate(found.study.scales):
            one = found.data.sel(image=image, scale=scale)
            marks = [
                f"best {source}" for source in ("predicted", "trained") if found.best(source, image) == place
            ]
            if found.largest(image) == place:
                marks.append("largest predicted")
            rows.append(
                (
                    image,
                    f"{scale:g}",
                    f"{float(one.predicted):.1f}",
                    f"{float(one.trained):.1f}",
                    f"{float(one.predicted - one.trained):+.1f}",
                    _fit(float(one.predicted_fit)),
                    _fit(float(one.trained_fit)),
                    ", ".join(marks),
                )
            )
    head = (
        "image",
        "scale",
        "predicted (dB)",
        "trained (dB)",
        "difference",
        "fit, predicted",
        "fit, trained",
        "",
    )
    caption = "Held-out PSNR of every image and scale, and the PSNR of the fit to the trained pixels."
    return Table(caption, head, rows, "Every pair")


def seconds(found: Findings) -> Table:
    """What the answers cost: a prediction, and a network, for every scale."""
    rows = []
    for image in found.images:
        one = found.data.sel(image=image)
        predicted, trained = float(one.prediction_seconds.sum()), float(one.training_seconds.sum())
        rows.append((image, f"{predicted:.1f} s", f"{trained:.0f} s", f"{trained / predicted:.0f}"))
    seeds = found.study.training.seeds
    mean = "" if seeds == 1 else f", the mean over {seeds}"
    return Table(
        "Seconds for all scales on the machine that made this page: one prediction a scale, and one network a scale"
        f"{mean}.",
        ("image", "predicted", "trained", "ratio"),
        rows,
        "What it cost",
    )


def scales_figure(found: Findings) -> Figure:
    """Predicted and trained PSNR against the scale, a panel for each image."""
    figure = new_figure(4.0)
    panels = figure.subplots(1, len(found.images), squeeze=False)[0]
    scales = np.asarray(found.study.scales)
    for ax, image in zip(panels, found.images, strict=True):
        one = found.data.sel(image=image)
        ax.plot(scales, one.predicted, "-", color=PREDICTED, lw=2)
        ax.plot(scales, one.trained, "o", color=TRAINED, ms=6)
        for source, colour in (("predicted", PREDICTED), ("trained", TRAINED)):
            best = found.best(source, image)
            ax.plot(scales[best], one[source][best], "o", ms=14, mfc="none", mec=colour, mew=1.6)
        ax.set_title(image, fontsize=11)
        scale_axis(ax, scales)
        tidy(ax, "", "held-out PSNR (dB)" if ax is panels[0] else "")
    figure.supxlabel("scale of the Fourier features (cycles per side)", fontsize=10)
    handles = [
        Line2D([], [], color=PREDICTED, lw=2, label="predicted without training"),
        Line2D([], [], color=TRAINED, ls="none", marker="o", label="trained networks"),
        Line2D([], [], color="#5f6b76", ls="none", marker="o", ms=11, mfc="none", mew=1.4, label="best"),
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=3, frameon=False)
    return figure


def _fit(value: float) -> str:
    return f"{value:.1f}" if value < 100 else "exact"
