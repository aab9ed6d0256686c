# The public names of harness and where they live. Modules load on first use, so that the command line starts fast.
from .comparison.compare import compare as compare
from .comparison.split import error_split as error_split
from .networks.initialisers import fourier_frequencies_ as fourier_frequencies_
from .studies.comparison.study import run_experiment as run_experiment
from .studies.study import write_outcome as write_outcome
from .sweeps.run import sweep as sweep
from .training.checkpoints import Checkpoints as Checkpoints
from .training.run import Run as Run
from .training.train import train as train
from .training.train import train_module as train_module
