"""The command line, ``python -m weight_conversion``."""
