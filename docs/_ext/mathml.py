r"""Formulas as MathML, which browsers draw by themselves: pages read offline, without a script.

Docutils translates LaTeX. The docstrings of fefreq also write symbols as themselves (``∂_t û = ∇·(D ∇û)``),
which LaTeX engines of today take and docutils does not; so symbols become commands first.

>>> as_latex("∂_t u = -∫ K u², ‖v‖")
'\\partial _t u = -\\int  K u^{2}, \\Vert v\\Vert '
"""

from __future__ import annotations

import re

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml, tex2unichar
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

LOGGER = logging.getLogger(__name__)

# Later tables win: an operator rather than a letter of the same look.
_TABLES = ("mathord", "mathfence", "mathclose", "mathopen", "mathrel", "mathbin", "mathop")
COMMANDS = {
    ord(symbol): f"\\{command} "
    for table in _TABLES
    for command, symbol in reversed(getattr(tex2unichar, table).items())
    if len(symbol) == 1 and not symbol.isascii() and not symbol.isalpha()
}
COMMANDS |= {ord(symbol): f"^{{{number}}}" for number, symbol in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
COMMANDS |= {
    ord("û"): r"\hat{u}",
    ord("∼"): r"\sim ",
    ord("·"): r"\cdot ",
    ord("‖"): r"\Vert ",
    ord("…"): r"\ldots ",
    ord("√"): r"\sqrt ",
}

# Fences as high as a letter, not as the whole line.
_FENCE = re.compile(r'<mo((?: class="\w+")?)>([{}‖|])</mo>')


def as_latex(formula: str) -> str:
    """Replace symbols by the LaTeX commands that mean them."""
    return formula.translate(COMMANDS)


def as_mathml(node: nodes.Element, block: bool) -> str:
    """Formula of a node; one that cannot be translated is a warning and stays LaTeX."""
    source = as_latex(node.astext().strip())
    if r"\\" in source and r"\begin" not in source:
        source = rf"\begin{{aligned}}{source}\end{{aligned}}"
    try:
        formula = latex2mathml.tex2mathml(source, as_block=block)
    except MathError as error:
        LOGGER.warning("cannot translate the formula %r: %s", node.astext(), error, location=node)
        return f"<code>{nodes.unescape(node.astext())}</code>"
    return _FENCE.sub(r'<mo\1 stretchy="false">\2</mo>', formula)


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within text."""
    self.body.append(as_mathml(node, block=False))
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a displayed formula and its number, if it has one."""
    self.body.append(self.starttag(node, "div", CLASS="math notranslate"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append(as_mathml(node, block=True))
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the renderer ``mathml``."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
