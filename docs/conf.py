"""Configuration of the documentation: `sphinx-build -W docs docs/_build` builds it, without a network.

Pages that are made of the source (gallery, figures, commands, API, cards of the weights) are written to docs/made,
first, by the scripts beside this file.
"""

import re
import sys
from importlib.metadata import version as version_of
from pathlib import Path

from docutils.utils.math.latex2mathml import tex2mathml

HERE = Path(__file__).parent
ABSOLUTE = re.compile(r"\|(\S(?:[^|]*\S)?)\|")
sys.path[:0] = [str(HERE)]

import making  # noqa: E402  (needs the path above)

project = "npfuse"
author = "the npfuse maintainers"
copyright = "2026, the npfuse maintainers, MIT licence"
version = release = version_of("npfuse")

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 4
exclude_patterns = ["_build", "Thumbs.db", "how-to/hand-held/CREDITS.md"]  # credits are read where the files are
default_role = "py:obj"  # `npfuse.fuse` in a docstring is a link where it is documented, and code elsewhere
nitpicky = False

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say types, shapes and units
autodoc_preserve_defaults = True
numpydoc_show_class_members = False

html_theme = "furo"
html_title = f"npfuse {release}"
html_static_path = ["_static", "made/static"]
html_css_files = ["npfuse.css"]
html_copy_source = False
html_show_sphinx = False


def _inline_math(self, node):
    self.body.append(tex2mathml(node.astext(), as_block=False))
    raise self_skip()


def _block_math(self, node):
    self.body.append(f'<div class="math-block">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise self_skip()


def self_skip():
    """Return what tells docutils that a node is done."""
    from docutils.nodes import SkipNode

    return SkipNode()


def absolute_values(app, what, name, obj, options, lines):
    """Keep |x| in docstrings from being taken for a substitution."""
    lines[:] = [line if line.lstrip().startswith((">>>", "...")) else ABSOLUTE.sub(r"\\|\1\\|", line) for line in lines]


def setup(app):
    """Make pages first; write formulas as MathML, which browsers draw without a script or fonts from elsewhere."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline_math, None), block_renderers=(_block_math, None))
    app.connect("autodoc-process-docstring", absolute_values, priority=400)  # before numpydoc
    app.connect("config-inited", lambda app, config: making.make_all(HERE / "made"))


html_math_renderer = "mathml"
