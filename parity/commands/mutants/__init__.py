"""Planted bugs: the suite is itself tested by bugs that it must catch, each at its layer.

``mutant.py`` says what one is, ``bugs/`` holds them by subject, ``prepare.py`` computes what every
check needs of the healthy port, ``worker.py`` runs the checks of one layer in a process that never
saw the healthy port, ``runner.py`` runs them all, ``report.py`` tells the table.

Nothing is imported here: a worker must not import ``leaf_port`` before its edit is in place.
"""
