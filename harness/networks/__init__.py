"""Networks of any depth, specified: what is drawn, what is trained, what is computed.

A specification is a frozen dataclass of numbers and names that can stand in an experiment file as it is (its
field ``kind`` names the class). It holds no parameters: ``draw`` draws those of one network, ``features`` and
``outputs`` evaluate any number of networks at once, and :func:`harness.train_module` trains what it describes.

- :class:`DeepFourierFeatureNetwork`: hidden layers on random Fourier features, frozen or trained;
- :class:`MultiScaleNetwork`: parallel sub-networks that see the input at several scales;
- :class:`Perceptron`: layers on the coordinates, or on a positional encoding of them;
- :class:`Siren`: sine networks with the initialisation of arXiv 2006.09661;
- :class:`TorchNetwork`: any ``torch.nn.Module``.

>>> import fefreq, numpy as np
>>> from harness.networks import DeepFourierFeatureNetwork
>>> spec = DeepFourierFeatureNetwork(fefreq.Gaussian(4.0), width=64, hidden_layers=2)
>>> spec.draw(channels=1, rng=np.random.default_rng(0))["hidden1"].shape
(128, 64)
"""

from __future__ import annotations

from typing import Annotated

from fefreq.support.schema import ByKind
from harness.networks.fourier_features import DeepFourierFeatureNetwork
from harness.networks.multi_scale import MultiScaleNetwork
from harness.networks.perceptron import Perceptron, Siren
from harness.networks.spec import LayerRates, ModuleSpec
from harness.networks.torch_network import TorchNetwork

AnyModule = Annotated[DeepFourierFeatureNetwork | MultiScaleNetwork | Perceptron | Siren, ByKind()]

__all__ = [
    "AnyModule",
    "DeepFourierFeatureNetwork",
    "LayerRates",
    "ModuleSpec",
    "MultiScaleNetwork",
    "Perceptron",
    "Siren",
    "TorchNetwork",
    "module_from_json",
    "module_to_json",
]


def module_to_json(spec: ModuleSpec) -> str:
    """Write a specification as JSON.

    Raises
    ------
    TypeError
        If it holds a Python function and not numbers and names alone.
    """
    from pydantic import TypeAdapter

    if isinstance(spec, TorchNetwork):
        raise TypeError(
            "a TorchNetwork is made by a Python function, which no file can hold: save its arrays"
        )
    adapter: TypeAdapter[ModuleSpec] = TypeAdapter(AnyModule)
    return adapter.dump_json(spec).decode()


def module_from_json(text: str) -> ModuleSpec:
    """Read a specification from JSON, validated as in an experiment file."""
    from pydantic import TypeAdapter

    spec: ModuleSpec = TypeAdapter(AnyModule).validate_json(text)
    return spec
