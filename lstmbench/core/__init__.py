"""The cell: its parameters, its equations, and the interface that every implementation stands
behind.
"""
