"""The command line, ``python -m leaf_port``. Private: nothing here is imported by the library."""
