"""What several tasks share, and the models of their data and baselines."""
