"""What LSTMs are for: data, loss, metric and baselines of each use. One file is one task; nothing
is downloaded.
"""
