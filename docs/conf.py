"""How Sphinx builds the documentation: MyST pages, the API from docstrings, tables from the classes themselves."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "jaxattack"
author = "The jaxattack authors"
project_copyright = "The jaxattack authors, Apache-2.0"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "from_classes",
    "plain_docstrings",
]
exclude_patterns = ["_build", "extensions", "measured"]
html_theme = "furo"
html_title = "jaxattack"
html_show_sphinx = False

myst_enable_extensions = ["attrs_block"]
myst_heading_anchors = 3

default_role = "code"
smartquotes = False  # which make a dash of the two hyphens of an option
autodoc_default_options = {"members": True, "no-value": True}
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
napoleon_attr_annotations = False
napoleon_custom_sections = [("Attributes", "params_style")]
napoleon_numpy_docstring = False
