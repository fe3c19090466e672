"""The documentation site: `python -m docs.build` makes it, offline."""
