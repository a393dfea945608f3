"""The exact oracle: float64 answers from the formulas of the papers and of the official code.

NumPy, SciPy and mpmath only. Nothing in this package imports ``leaf_port`` or torch, and nothing
follows how ``leaf_port`` computes: recurrences are loops, convolutions are dot products over
windows, windows and mel frequencies come from mpmath. All functions are pure, take and give
float64 (or complex128) in the official layout, and name the lines of leaf_audio at commit b130481
(or of the library that leaf_audio calls) whose function they are.
"""
