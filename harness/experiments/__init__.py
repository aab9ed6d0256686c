"""The experiments that come with the harness."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def preset_names() -> list[str]:
    """Names of all presets, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def preset_path(name: str) -> Path:
    """File of a preset.

    Raises
    ------
    ValueError
        If there is no preset of this name.
    """
    if name not in preset_names():
        raise ValueError(f"there is no preset {name!r}; there are {', '.join(preset_names())}")
    return FOLDER / f"{name}.toml"


def is_quick(name: str) -> bool:
    """Whether `harness validate` runs a preset without being asked.

    Raises
    ------
    ValueError
        If there is no preset of this name.
    """
    from fefreq.experiments.schema import read_toml

    return not read_toml(preset_path(name)).get("on_request", False)
