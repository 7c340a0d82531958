"""Figures: what each shows is planned from records, then drawn, with words for those who do not see it."""
