"""``python -m parity study``: does LEAF learn its filters?

The exact Leaf, and the exact Leaf with the faults of public ports, trained from several initial
filters on recordings and on keywords whose information lies in a known band.
"""
