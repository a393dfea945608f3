"""Planted bugs: the suite is itself tested by bugs that it must catch, each at its layer.

``mutant.py`` says what one is, ``bugs/`` holds them by subject, ``prepare.py`` computes what every
check needs of the healthy port, ``worker.py`` runs the checks of one layer with a bug,
``runner.py`` runs them all, ``report.py`` tells the table.

A bug comes into a process in one of two ways: ``hook.py`` puts it into a module that is imported
after it, ``exchange.py`` into a function that is loaded. ``warm.py`` forks a loaded process for
each bug, ``process.py`` asks such processes and new ones, ``lines.py`` knows what an import
executes.

Nothing is imported here: a worker must not import ``leaf_port`` before its edit is in place.
"""
