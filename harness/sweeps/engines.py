"""Where the cells of a sweep are computed: in this process, in several here, or on a Dask cluster.

joblib keeps the processes, Dask its cluster; results come back in the order in which they are ready.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import xarray as xr

from fefreq.support.progress import NullProgress, Progress
from harness.comparison.verdicts import Verdict
from harness.studies import Study

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 5
KILLED = (
    "the process that computed it was killed, as happens when memory runs out: compute fewer cells side by side, or "
    "make them smaller"
)
INSTALL = "pip install 'fefreq[cluster]'"
ADDRESS = re.compile(r"inproc://.+|((tcp|tls|ucx|wss?)://)?([\w.-]+|\[[\da-fA-F:.]+\]):\d{1,5}")


@dataclass(frozen=True)
class Task:
    """A cell to be computed.

    Attributes
    ----------
    study : Study
    checkpoints : path, optional
        Folder where its training is kept, and from where it goes on.
    """

    study: Study
    checkpoints: Path | None = None


@dataclass(frozen=True, eq=False)
class Computed:
    """What came of a cell: its dataset and verdicts, or a sentence that says why there is none."""

    dataset: xr.Dataset | None = None
    verdicts: tuple[Verdict, ...] = ()
    seconds: float = 0.0
    failure: str = ""


Compute = Callable[[Task, Progress], Computed]
Results = Iterator[tuple[int, Computed]]


class Engine(Protocol):
    """Computes cells somewhere."""

    local: ClassVar[bool]
    """Whether it computes where the folder of the sweep is."""

    def run(self, tasks: Sequence[Task], progress: Progress) -> Results:
        """Number and result of every cell, as they are ready; what is computed in this process tells its progress."""


def compute(task: Task, progress: Progress) -> Computed:
    """Carry out one cell; an expected failure becomes a sentence."""
    from harness.studies.files import carry_out
    from harness.training.checkpoints import Checkpoints

    begin = time.perf_counter()
    checkpoints = None if task.checkpoints is None else Checkpoints(task.checkpoints)
    try:
        result = carry_out(task.study, progress, checkpoints)
    except (ValueError, TypeError, ArithmeticError, OSError, MemoryError, RuntimeError) as error:
        sentence = " ".join(str(error).split()) or type(error).__name__
        return Computed(failure=sentence, seconds=time.perf_counter() - begin)
    return Computed(task.study.summary(result), result.verdicts, time.perf_counter() - begin)


@dataclass(frozen=True)
class Here:
    """In the process that asks, one cell after the other."""

    compute: Compute = compute
    local: ClassVar[bool] = True

    def run(self, tasks: Sequence[Task], progress: Progress) -> Results:
        """Compute the cells in their order."""
        return ((number, self.compute(task, progress)) for number, task in enumerate(tasks))


@dataclass(frozen=True)
class Processes:
    """Several processes of this machine, one thread in each.

    A process that is killed takes its pool with it. The cells that it may have been at are then computed one by one, in
    pools of their own, so that the one to blame is found and the others come to their end.
    """

    jobs: int
    compute: Compute = compute
    local: ClassVar[bool] = True

    def run(self, tasks: Sequence[Task], progress: Progress) -> Results:
        """Compute the cells side by side."""
        waiting = dict(enumerate(tasks))
        while waiting:
            try:
                for number, computed in self._side_by_side(self.jobs, waiting):
                    del waiting[number]
                    yield number, computed
            except BrokenProcessPool:
                for number in list(waiting)[: self.jobs]:
                    yield number, self._alone(waiting.pop(number))

    def _side_by_side(self, jobs: int, cells: Mapping[int, Task]) -> Results:
        from joblib import Parallel, delayed, parallel_config

        with parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
            pool = Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="n_jobs")
            found = pool(delayed(_numbered)(self.compute, *cell) for cell in list(cells.items()))
        for number, computed in found:
            yield int(number), computed

    def _alone(self, task: Task) -> Computed:
        try:
            # A pool of two, since joblib would compute for a pool of one in this process.
            ((_, computed),) = self._side_by_side(2, {0: task})
        except BrokenProcessPool:
            return Computed(failure=KILLED)
        return computed


@dataclass(frozen=True)
class Cluster:
    """A Dask cluster, whose scheduler has an address such as ``tcp://host:8786``.

    Its workers need the same version of this package, and data files under the same path; results travel
    back, so no folder has to be shared. Cells go to Dask itself: through joblib a worker that dies for good would
    be waited for without end.

    Raises
    ------
    ValueError
        If the address lacks a host or a port.
    """

    address: str
    compute: Compute = compute
    local: ClassVar[bool] = False

    def __post_init__(self) -> None:
        # Dask would leave a half-made client behind, which takes long to close and prints a traceback.
        if not ADDRESS.fullmatch(self.address):
            raise ValueError(
                f"{self.address!r} is no address of a Dask scheduler, which has a host and a port: give the one that "
                "it prints when it starts, such as tcp://host:8786"
            )

    def run(self, tasks: Sequence[Task], progress: Progress) -> Results:
        """Compute the cells wherever the cluster has room.

        Raises
        ------
        ValueError
            If Dask is not installed here, the cluster does not answer, has no workers, or these have another
            version of the package.
        ConnectionError
            If the cluster is lost on the way.
        """
        with connected(self.address) as client:
            from distributed import KilledWorker, as_completed

            _require_workers(client, self.address)
            numbers = {
                client.submit(self.compute, task, NullProgress(), pure=False): number
                for number, task in enumerate(tasks)
            }
            for future in as_completed(list(numbers), loop=client.loop):
                try:
                    computed: Computed = future.result()
                except KilledWorker:
                    computed = Computed(failure=KILLED)
                except CancelledError as error:
                    raise ConnectionError(
                        f"the cluster at {self.address} was lost; finished cells are kept, and the same command "
                        "goes on"
                    ) from error
                yield numbers.pop(future), computed
                future.release()  # the cluster need not keep what has arrived


def _numbered(compute: Compute, number: int, task: Task) -> tuple[int, Computed]:
    return number, compute(task, NullProgress())


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """Connect to a Dask cluster for the length of a block.

    Raises
    ------
    ValueError
        If Dask is not installed here, or the cluster does not answer.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError(
            f"a sweep over a cluster needs dask and distributed, which are not installed here: {INSTALL}"
        ) from error
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ValueError(
            f"no Dask scheduler answers at {address} within {CONNECT_SECONDS} seconds: give the address that it "
            "prints when it starts, such as tcp://host:8786"
        ) from error
    # What goes wrong is said once, by us.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with client:
        yield client


def installed_version() -> str:
    """Version of the package where this function runs, which needs the parts that train."""
    from importlib.metadata import version

    return version("fefreq")


def _require_workers(client: Client, address: str) -> None:
    if not client.ncores():
        raise ValueError(f"the cluster at {address} has no workers: start one with `dask worker {address}`")
    here = installed_version()
    try:
        found: dict[str, str] = client.run(installed_version)
    except ImportError as error:
        raise ValueError(
            f"the workers at {address} lack a module ({error}): install fefreq {here} with its extra 'harness' there"
        ) from error
    for worker, there in found.items():
        if there != here:
            raise ValueError(
                f"the worker {worker} has fefreq {there}, but here is {here}: install the same version on both"
            )
