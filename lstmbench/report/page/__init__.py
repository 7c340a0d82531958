"""Pages: of one run, and of all runs."""
