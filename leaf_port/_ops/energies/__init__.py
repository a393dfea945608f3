"""LEAF's energies (Gabor convolution, squared modulus, Gaussian pooling) as one operation.

Exact but for rounding. ``tests/leaf_port/test_energies.py`` holds it against float64 and against
the three layers, which stay its oracle. The recorded suite does not take it yet. ``choice`` says
where it is taken, ``operation`` computes.
"""
