"""Verifying: what was measured is what was kept, and all that is shown follows from it."""
