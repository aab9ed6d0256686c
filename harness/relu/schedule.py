"""Which diagnostic is measured after which epochs.

A schedule stands in a file as a table, a line for each diagnostic:

.. code-block:: toml

    hamming = { every = 25 }
    dead = [0, 10, 50, 500]

An interval includes the start and the end of training. What is not named is not measured; the error spectrum and
the mean squared error are, at every epoch at which anything is.

>>> schedule = Schedule(hamming={"every": 25}, dead=[0, 10])
>>> schedule.epochs("hamming", total=60), schedule.epochs("regions", total=60)
((0, 25, 50, 60), ())
>>> schedule.all_epochs(total=60)
(0, 10, 25, 50, 60)
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Discriminator, Field, NonNegativeInt, PositiveInt, Tag

from fefreq.experiments.schema import Section

Diagnostic = Literal[
    "error", "hamming", "confusion", "patterns", "regions", "width", "dead", "norms", "angles", "in_sphere"
]
DIAGNOSTICS: tuple[Diagnostic, ...] = get_args(Diagnostic)


class Every(Section):
    """At the start, after every so many epochs, and at the end."""

    every: PositiveInt = Field(description="epochs from one measurement to the next")


When = Annotated[
    Annotated[Every, Tag("every")] | Annotated[tuple[NonNegativeInt, ...], Tag("list")],
    Discriminator(lambda value: "every" if isinstance(value, (dict, Every)) else "list"),
]


class Schedule(Section):
    """When each diagnostic is measured: a list of epochs, or an interval."""

    error: When | None = Field(None, description="the error spectrum, where nothing else is measured")
    hamming: When | None = Field(None, description="Hamming distances of local and global pairs")
    confusion: When | None = Field(None, description="cosines of gradients of local and global pairs")
    patterns: When | None = Field(None, description="different patterns on the samples")
    regions: When | None = Field(
        None, description="regions along a line: exact on coordinates; behind an encoding along fine chords"
    )
    width: When | None = Field(None, description="distance to the nearest boundary of a region")
    dead: When | None = Field(None, description="units that are off at every sample")
    norms: When | None = Field(None, description="largest singular values of the weights")
    angles: When | None = Field(None, description="cosines between the hyperplanes of one layer")
    in_sphere: When | None = Field(None, description="largest balls in the polytopes of the first layer")

    def epochs(self, diagnostic: Diagnostic, total: int) -> tuple[int, ...]:
        """Epochs after which a diagnostic is measured when training takes ``total`` of them.

        Raises
        ------
        ValueError
            If a listed epoch lies beyond the end.
        """
        when: Every | tuple[int, ...] | None = getattr(self, diagnostic)
        if when is None:
            return ()
        if isinstance(when, Every):
            return tuple(dict.fromkeys((*range(0, total, when.every), total)))
        beyond = [epoch for epoch in when if epoch > total]
        if beyond:
            raise ValueError(
                f"{diagnostic} is to be measured after epoch {beyond[0]}, but training ends after {total}: "
                "train longer, or list earlier epochs"
            )
        return tuple(sorted(set(when)))

    def all_epochs(self, total: int) -> tuple[int, ...]:
        """Epochs after which anything is measured, the start and the end always among them.

        Raises
        ------
        ValueError
            As :meth:`epochs`.
        """
        return tuple(
            sorted({0, total}.union(*(self.epochs(diagnostic, total) for diagnostic in DIAGNOSTICS)))
        )
