"""Sphinx configuration: everything comes from this repository, nothing from the network."""

import re
import sys
from pathlib import Path

import fefreq

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "fefreq"
author = "the fefreq developers"
copyright = f"2026, {author}"
version = release = fefreq.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "mathml",
    "experiment_keys",
    "page_pictures",
    "presets",
]
exclude_patterns = ["_build"]
pages_with_pictures = ["start"]

myst_enable_extensions = ["attrs_block", "deflist", "dollarmath"]
myst_heading_anchors = 3

# Signatures show names and defaults; the docstrings give types, shapes and units.
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_member_order = "bysource"
autosummary_generate = False
napoleon_google_docstring = False
# Types are words ("ndarray, shape (n, d)"), not names to be looked up.
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style")]
add_module_names = False
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "fefreq"
html_static_path = ["_static"]
html_css_files = ["fefreq.css"]
html_math_renderer = "mathml"


def plain_signature(app, what, name, obj, options, signature, returns):
    """Leave out of signatures what only experiment files need, and what has no readable default."""
    if signature is None:
        return None
    signature = re.sub(r"(, \*)?, kind='[\w-]+'", "", signature)
    return signature.replace("<factory>", "..."), returns


def swap_colons(old, new):
    """Napoleon takes words before a colon in the docstring of a property for its type; hide them from it."""

    def swap(app, what, name, obj, options, lines):
        if what == "property" and lines:
            lines[0] = lines[0].replace(old, new)

    return swap


def setup(app):
    app.connect("autodoc-process-signature", plain_signature)
    app.connect("autodoc-process-docstring", swap_colons(": ", "\N{RATIO} "), priority=400)
    app.connect("autodoc-process-docstring", swap_colons("\N{RATIO} ", ": "), priority=600)
