"""Training in every framework: the same weights, batches and optimiser, so that learning can be
compared.
"""
