"""The options of each command of ``python -m parity``, and what they are handed to."""
