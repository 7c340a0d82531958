"""Run the command line with ``python -m lstmbench``."""

from lstmbench.cli import main

main()
