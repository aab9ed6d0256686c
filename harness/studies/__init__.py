"""Studies: experiment files of other kinds than prediction against two-layer networks.

Such a file has a key ``kind`` at its top. Every study is carried out by :meth:`Study.carry_out` and leaves a
:class:`StudyResult`: verdicts, data, pictures, and a page that shows them.
"""

from __future__ import annotations

from importlib import import_module

from harness.studies.study import Study, StudyResult

# Modules are loaded when a file asks for their kind.
_HOMES: dict[str, tuple[str, str]] = {
    "density-family": ("harness.studies.density_family.study", "DensityFamily"),
    "designed-density": ("harness.studies.designed_density.study", "DesignedDensity"),
    "networks": ("harness.studies.networks.study", "NetworkStudy"),
    "relu-dynamics": ("harness.studies.relu_dynamics.study", "ReluDynamics"),
    "relu-vs-fourier-features": ("harness.studies.relu_vs_fourier_features.study", "ReluVsFourierFeatures"),
    "scale-choice": ("harness.studies.scale_choice.study", "ScaleChoice"),
    "width-convergence": ("harness.studies.width_convergence.study", "WidthConvergence"),
}

__all__ = ["Study", "StudyResult", "study_kind", "study_kinds"]


def study_kinds() -> list[str]:
    """Values that the key ``kind`` of a file may have."""
    return list(_HOMES)


def study_kind(kind: str) -> type[Study]:
    """The class of a kind of study."""
    module, name = _HOMES[kind]
    found: type[Study] = getattr(import_module(module), name)
    return found
