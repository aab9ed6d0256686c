# The public names of harness and where they live. Modules load on first use, so that the command line starts fast.
from .comparison.compare import compare as compare
from .comparison.split import error_split as error_split
from .networks.initialisers import fourier_frequencies_ as fourier_frequencies_
from .studies.comparison.study import run_experiment as run_experiment
from .studies.study import write_outcome as write_outcome
from .sweeps.run import sweep as sweep
from .training.checkpoints import Checkpoints as Checkpoints
from .training.module_training import train_module as train_module
from .training.runs import Run as Run
from .training.runs import train as train
