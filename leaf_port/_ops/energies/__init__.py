"""LEAF's energies (Gabor convolution, squared modulus, Gaussian pooling) as one operation.

Exact, not an approximation: its results are nearer to float64 than those of the three layers, which
stay its oracle. ``choice`` says where it is taken, ``operation`` computes.
"""
