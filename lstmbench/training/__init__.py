"""Training in every framework: from the same weights, on the same batches, by the same optimiser.

So learning curves and scores of different implementations can be compared.
"""
