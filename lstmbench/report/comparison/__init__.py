"""Compare two runs: which cases, by which quantity, with which verdict, and the page about it."""
