"""How each framework holds arrays: one file each, imported when the framework is first asked for."""
