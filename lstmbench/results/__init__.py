"""Records and where they are kept: one row per case, raw samples beside them, a manifest that says
how they came.
"""
