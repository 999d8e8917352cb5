"""Generated pages of the documentation site. `mkdocs.yml` names the hooks.

Run `make docs`.
"""
