"""Figures: the points come from records; each figure is drawn and described in words."""
