"""``python -m parity machines``: the recorded suite as other processors would run it.

``settings`` lists what this machine can play; ``runner`` runs the suite once a setting, in a
process of its own; ``worst`` is what such a run found, and what all runs so far have found
(``parity/recordings/machines.json``); ``table`` shows it.
"""
