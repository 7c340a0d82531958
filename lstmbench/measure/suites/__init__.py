"""Suites: the YAML files that come with the package, and what reads and expands them."""
