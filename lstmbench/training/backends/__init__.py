"""What training needs of each framework: loss, optimiser and plain RNN, in its own idiom."""
