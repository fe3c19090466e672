"""Settings of Sphinx; `docs.build` writes the pages and starts it."""

import nnfun as nf
from docs import docstrings

project = "nnfun"
author = "The nnfun authors"
release = nf.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # Included texts start where they start.
# Single backticks in docstrings: a link where it is a name, else code.
default_role = "py:obj"

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 72
napoleon_use_rtype = False

pygments_dark_style = "monokai"
html_theme = "furo"  # Nothing in it is fetched from elsewhere, no font either.
html_title = f"nnfun {release}"
html_static_path = ["static", "results"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False

setup = docstrings.setup
