"""The page of a study of networks: losses and half-lives of all together, then the error field of each."""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from fefreq.fields.coordinates import frequency_dimension, frequency_points
from fefreq.output import plots
from fefreq.output.plots.axes import (
    FREQUENCY,
    RADIUS,
    TIME,
    log_axis,
    new_figure,
    plain,
    source_styles,
    tidy,
    time_axis,
)
from fefreq.support.arrays import FloatArray
from harness.reports.page import Picture, Section, Table
from harness.studies.networks.orders import spread
from harness.training.optimisers import Adam, Optimiser, Sgd

if TYPE_CHECKING:
    from harness.studies.networks.file import NetworkStudyFile
    from harness.studies.networks.trained import TrainedNetwork

Networks = dict[str, "TrainedNetwork"]

# Predicted half-lives that differ by less are called equal: a rank correlation would compare rounding and leakage.
EQUAL = 0.1
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222")
LINES = ("-", "--", "-.", ":")


def sections(study: NetworkStudyFile, trained: Networks) -> tuple[Section, ...]:
    """The overview, then a section for every network."""
    together = [
        Picture(
            "losses",
            "Losses",
            "Loss of every network against training time, relative to its start; one line for each seed.",
            losses(trained),
            lambda: loss_figure(trained),
        )
    ]
    tables = [_networks(trained)]
    if any(len(network.lives) for network in trained.values()):
        together.append(
            Picture(
                "tones",
                "Half-lives of the tones",
                "Training time until half of the error at a tone is left: markers for networks, the mean over seeds, "
                "with bars from the first to the last seed; lines for predictions. Tones that are not half "
                "learned at the last snapshot are missing.",
                order(trained),
                lambda: tone_figure(trained),
            )
        )
        tables.append(_tones(trained))
    overview = Section(
        "All networks", time_meaning(study.training.optimiser, study.training.batch), together, tables
    )
    return (overview, *(_single(name, network) for name, network in trained.items()))


def time_meaning(optimiser: Optimiser, batch: int | None) -> str:
    """What training time means under an optimiser."""
    if isinstance(optimiser, Adam):
        return (
            "Trained by Adam: the training time t = Σ η counts steps and is not the time of the tangent kernel. Times "
            "compare tones and networks of this study with one another, not with predictions."
        )
    if isinstance(optimiser, Sgd) and optimiser.momentum:
        return (
            f"Trained with momentum {optimiser.momentum:g}: once it has built up, networks move "
            f"{1 / (1 - optimiser.momentum):.3g} times as far in the training time t = Σ η as by plain descent."
        )
    if batch is not None:
        return (
            f"Trained in mini-batches of {batch} points: t = Σ η is the time of the tangent kernel in the mean, with "
            "the noise of the batches on top."
        )
    return "Trained by full-batch gradient descent: t = Σ η is the time of the tangent kernel."


def losses(trained: Networks) -> str:
    """What is left of the error of every network."""
    said = [
        f"{name} {100 * float(network.comparison.remaining.sel(source='network')[-1]):.3g} %"
        for name, network in trained.items()
    ]
    return f"Of the error (L2 norm over frequencies, mean over seeds) there is left at the end: {'; '.join(said)}."


def order(trained: Networks) -> str:
    """In which order tones are learned, against the prediction where there is one."""
    sentences = []
    for name, network in trained.items():
        measured = _ratio(network.lives)
        if network.prediction is None:
            sentences.append(f"{name}: largest over smallest half-life {measured}.")
        elif spread(network.predicted_lives) < EQUAL:
            sentences.append(
                f"{name}: half-lives are predicted equal (largest over smallest {_ratio(network.predicted_lives)}), so "
                f"there is no order to compare; measured {measured}."
            )
        else:
            sentences.append(
                f"{name}: rank correlation with the prediction {network.rank:.3g}{_exchanged(network)}; largest over "
                f"smallest half-life {measured}, predicted {_ratio(network.predicted_lives)}."
            )
    return " ".join(sentences)


def _exchanged(network: TrainedNetwork) -> str:
    """Tones that are learned in another order than predicted, for the middle of a sentence."""
    predicted, measured = network.predicted_lives, network.lives
    tones = [_tone(row) for row in frequency_points(network.tones)]
    pairs = [
        f"{tones[j]} before {tones[i]} (at {measured[j]:.3g} and {measured[i]:.3g})"
        for i, j in combinations(np.argsort(predicted), 2)
        if measured[i] > measured[j]
    ]
    return f", with {', '.join(pairs)}" if pairs else ""


def loss_figure(trained: Networks) -> Figure:
    """Relative losses against time."""
    figure = new_figure(4.2)
    ax = figure.add_subplot()
    for number, (name, network) in enumerate(trained.items()):
        run = network.run
        colour, line = COLOURS[number % len(COLOURS)], LINES[number // len(COLOURS) % len(LINES)]
        for seed, loss in enumerate(run.losses):
            label = name if seed == 0 else None
            ax.plot(run.times, loss / loss[0], color=colour, ls=line, lw=1.3, label=label)
    time_axis(ax, max((network.run.times for network in trained.values()), key=lambda times: times[-1]))
    tidy(ax, TIME, "loss, relative to its start")
    log_axis(ax)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=4, frameon=False)
    return figure


def tone_figure(trained: Networks) -> Figure:
    """Half-lives of the tones against frequency, a panel for each network, on common axes."""
    shown = {name: network for name, network in trained.items() if len(network.lives)}
    columns = min(3, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = new_figure(0.9 + 2.3 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    predicted = {network.prediction for network in shown.values()} - {None}
    styles = source_styles([*sorted(str(name) for name in predicted), "network"])
    radial = False
    for ax, (name, network) in zip(panels, shown.items(), strict=False):
        radii = _radii(network)
        radial = radial or frequency_dimension(network.tones) > 1
        if network.prediction is not None:
            style = styles[network.prediction]
            at = np.argsort(radii)
            ax.plot(
                radii[at], _finite(network.predicted_lives)[at], color=style.colour, ls=style.line, lw=1.8
            )
        members = _finite(network.tones.member_half_life.values)
        known = np.any(np.isfinite(members), axis=0)
        low, high = np.nanmin(members[:, known], axis=0), np.nanmax(members[:, known], axis=0)
        style = styles["network"]
        ax.vlines(radii[known], low, high, color=style.colour, lw=1.4)
        ax.plot(
            radii,
            _finite(network.lives),
            ls="none",
            marker="o",
            ms=6,
            mfc="none",
            mew=1.5,
            color=style.colour,
        )
        ax.set_title(name + _rank_note(network), fontsize=10)
        tidy(ax, "", "")
    for ax in panels[len(shown) :]:
        ax.remove()
    for ax in panels[: len(shown)][-columns:]:
        ax.tick_params(labelbottom=True)
    _log_axis_of_all(panels[: len(shown)])
    figure.supxlabel(RADIUS if radial else FREQUENCY, fontsize=10)
    figure.supylabel("half-life (training time)", fontsize=10)
    handles = [
        Line2D(
            [],
            [],
            ls=style.line or "none",
            marker=style.marker or "none",
            mfc="none",
            color=style.colour,
            label=style.label,
        )
        for style in styles.values()
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=3, frameon=False)
    return figure


def _rank_note(network: TrainedNetwork) -> str:
    known = network.prediction is not None and spread(network.predicted_lives) >= EQUAL
    return f" (rank correlation {network.rank:.2g})" if known else ""


def _log_axis_of_all(panels: np.ndarray) -> None:
    """Logarithmic ordinates over what all panels show together."""
    limits = np.array([ax.dataLim.intervaly for ax in panels])
    limits = limits[np.all(np.isfinite(limits) & (limits > 0), axis=1)]
    if not len(limits):
        return
    low, high = 0.8 * limits.min(), 1.25 * limits.max()
    steps = (1, 2, 5) if high / low < 300 else (1,)
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for ax in panels:
        ax.set_yscale("log")
        ax.set_ylim(low, high)
        ax.yaxis.set_major_locator(FixedLocator([step * 10.0**e for e in exponents for step in steps]))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
        ax.yaxis.set_minor_formatter(NullFormatter())


def _single(name: str, network: TrainedNetwork) -> Section:
    data = network.comparison
    radial = frequency_dimension(data) > 1
    over = " Frequency is the radius |ξ|, and moduli are root mean squares over shells." if radial else ""
    finding = (
        f"{100 * float(data.remaining.sel(source='network')[-1]):.3g} % of the error is left at the end."
    )
    if network.prediction is not None:
        difference = data.difference.sel(source="network").values
        at = int(np.argmax(difference))
        finding += (
            f" The field of the networks differs from the prediction by at most {100 * difference[at]:.3g} % of the "
            f"initial error, at t = {network.run.times[at]:.3g}."
        )
    pictures = [
        Picture(
            "spectra",
            "Error spectra at some times",
            "Modulus of the error spectrum against frequency; a colour for each training time." + over,
            finding,
            lambda: plots.spectra_figure(data),
        ),
        Picture(
            "maps",
            "Error over frequency and time",
            "Modulus of the error spectrum on a logarithmic colour scale; time is linear up to the first time after "
            "0." + over,
            "",
            lambda: plots.map_figure(data),
        ),
    ]
    return Section(name, "", pictures, (), name)


def _networks(trained: Networks) -> Table:
    rows = []
    for name, network in trained.items():
        run = network.run
        rows.append(
            (
                name,
                str(getattr(run.model, "kind", type(run.model).__name__)),
                f"{run.width}",
                f"{run.seeds}",
                f"{run.learning_rate:.3g}",
                f"{int(run.steps[-1])}",
                f"{run.times[-1]:.4g}",
                f"{run.seconds:.1f} s",
            )
        )
    head = ("network", "kind", "width", "seeds", "learning rate", "steps", "last time", "training took")
    return Table("The largest learning rate; all seeds of a network together.", head, rows, "Training")


def _tones(trained: Networks) -> Table:
    first = next(network for network in trained.values() if len(network.lives))
    head = (
        "network",
        "",
        *(_tone(row) for row in frequency_points(first.tones)),
        "rank correlation",
        "largest / smallest",
    )
    rows = []
    for name, network in trained.items():
        if not len(network.lives):
            continue
        if network.prediction is None:
            rows.append((name, "measured", *_cells(network.lives), "", _ratio(network.lives)))
            continue
        equal = spread(network.predicted_lives) < EQUAL
        rank = "no order predicted" if equal else f"{network.rank:.3g}"
        rows.append(
            (name, "predicted", *_cells(network.predicted_lives), "", _ratio(network.predicted_lives))
        )
        rows.append((name, "measured", *_cells(network.lives), rank, _ratio(network.lives)))
    return Table(
        "Half-lives of the tones (mean over seeds), Spearman's rank correlation of measured with predicted ones, and "
        "the largest over the smallest half-life. Where predicted half-lives are equal within 10 % there is no order.",
        head,
        rows,
        "Half-lives of the tones",
    )


def _cells(lives: FloatArray) -> list[str]:
    return [f"{life:.3g}" if np.isfinite(life) else "later" for life in lives]


def _ratio(lives: FloatArray) -> str:
    """Largest over smallest half-life."""
    wide = 1 + spread(lives)
    return f"{wide:.3g}" if np.isfinite(wide) else "unknown"


def _radii(network: TrainedNetwork) -> FloatArray:
    return np.asarray(np.linalg.norm(frequency_points(network.tones), axis=1))


def _tone(frequency: FloatArray) -> str:
    return "ξ = " + (plain(float(frequency[0])) if len(frequency) == 1 else str(tuple(frequency.tolist())))


def _finite(lives: FloatArray) -> FloatArray:
    return np.where(np.isfinite(lives), lives, np.nan)
