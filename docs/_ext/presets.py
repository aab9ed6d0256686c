"""The presets on a page: ``<!-- presets -->`` becomes a section for each, with its question and its file."""

from __future__ import annotations

from sphinx.application import Sphinx

from fefreq.experiments.schema import read_toml
from harness.experiments import preset_names, preset_path

REQUEST = "<!-- presets -->"


def sections() -> str:
    """All presets, in alphabetical order."""
    return "\n\n".join(
        f"### `{name}`\n\n*{read_toml(preset_path(name))['question'].strip()}*\n\n"
        f"```toml\n{preset_path(name).read_text(encoding='utf-8')}```"
        for name in preset_names()
    )


def expand(page: str) -> str:
    """Put the presets in place of the request."""
    return page.replace(REQUEST, sections()) if REQUEST in page else page


def _insert(app: Sphinx, page: str, source: list[str]) -> None:
    source[0] = expand(source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    """Expand pages as they are read, and read anew those that may have changed."""
    app.connect("source-read", _insert)
    app.connect("env-get-outdated", lambda app, env, added, changed, removed: ["validation"])
    return {"parallel_read_safe": True, "parallel_write_safe": True}
