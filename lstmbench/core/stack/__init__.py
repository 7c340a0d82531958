"""Several layers, both directions, sequences of different lengths: written once over any single
layer.
"""
