"""``python -m parity accuracy``: official code and port trained on the same recordings.

Each pair of a frontend and a seed is trained by both sides (``official``, ``port``): same clips,
same order, same recipe. A trained one is a file of its own (``experiment``); ``table`` compares.
"""
