"""What judges converted checkpoints: the exact oracle, the official code, the declared budgets.

``weight_conversion.verification.verify`` takes these as arguments; its command line joins the two.
Each module is imported by itself: the exact oracle needs SciPy and mpmath, the official code
execnet.
"""
