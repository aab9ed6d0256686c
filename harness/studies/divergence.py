"""Training that diverges inside a study, which trains many networks: the message names the one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def naming(network: str) -> Iterator[None]:
    """Put the name of a network before the message of a DivergenceError.

    Raises
    ------
    DivergenceError
        A ``FloatingPointError``, with the ``run`` of the one that it stands for.
    """
    from harness.training.run import DivergenceError

    try:
        yield
    except DivergenceError as error:
        stated = DivergenceError(f"{network}: {error}")
        stated.run = error.run
        raise stated from error
