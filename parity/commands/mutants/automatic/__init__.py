"""Mutants that nobody thought of: small edits of all of the port's source, tried one after another.

``edit.py`` says what an edit is, ``operators.py`` and ``statements.py`` make them from the syntax
tree, ``sources.py`` chooses files and samples. ``asked.py`` names each check of the suite,
``traced.py`` finds the lines that it executes, ``selection.py`` the checks that an edit concerns.
``worker.py`` tries an edit in a process of its own, ``campaign.py`` all of them, resumably;
``equivalent.py`` holds those that were judged to change nothing, ``report.py`` tells the figures.

Public mutators did not serve. mutmut 3 changes the bodies of functions only: no default, no
decorator, nothing that runs at import. cosmic-ray starts a test command for each mutant, and an
import of torch takes longer than most checks here.

Nothing is imported here: a worker must not import ``leaf_port`` before its edit is in place.
"""
