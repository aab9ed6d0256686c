"""Pictures made by the page that shows them.

Before a build the Python blocks of the pages listed in ``pages_with_pictures`` run, one page after the other,
in ``_build/pictures``; what they save there the page can show. A page cannot show what its code does not draw.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import shutil
from pathlib import Path

from sphinx.application import Sphinx

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def python_blocks(text: str) -> list[str]:
    """Python blocks of a page in Markdown.

    >>> python_blocks('''Text
    ... ```python
    ... a = 1
    ... ```
    ... ''')
    ['a = 1\\n']
    """
    return _BLOCK.findall(text)


def draw(app: Sphinx) -> None:
    """Run the pages, each in a namespace of its own."""
    folder = Path(app.srcdir) / "_build" / "pictures"
    # Sphinx shows every message of every library; those of the assembly are none of the reader's business.
    logging.getLogger("skfem").setLevel(logging.WARNING)
    for name in app.config.pages_with_pictures:
        page = Path(app.srcdir) / f"{name}.md"
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
        code = compile("".join(python_blocks(page.read_text(encoding="utf-8"))), str(page), "exec")
        with contextlib.chdir(folder / name), contextlib.redirect_stdout(io.StringIO()):
            exec(code, {"__name__": name})


def setup(app: Sphinx) -> dict[str, bool]:
    """Draw before the pages are read."""
    app.add_config_value("pages_with_pictures", [], "env", types=[list])
    app.connect("builder-inited", draw)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
