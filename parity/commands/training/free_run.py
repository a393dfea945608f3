"""The port trains by itself on the recorded batches: how far it drifts from the official one.

No check: whatever differs by a rounding drifts apart, the official code from itself too. Its own
drift, recorded, is the yardstick.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

from leaf_port.optim import KerasAdam
from parity.commands.training.ask_official import distance
from parity.commands.training.models import LEARNING_RATE
from parity.commands.training.recording import Layout, Recording
from weight_conversion.official import mapping


def drift(recording: Recording) -> list[float]:
    """Relative distance of the trained weights from the official ones after each recorded step."""
    model, layout = recording.model, Layout(recording.model)
    first = recording.steps[model.steps[0]]
    built = model.build().train()
    rows = {row.key: row for row in mapping.table(built)}
    state = {key: row.to_torch(first.before[row.path]) for key, row in rows.items()}
    built.load_state_dict(state)
    adam = KerasAdam(built, LEARNING_RATE)
    found = []
    for number in range(1, model.steps[-1] + 1):
        step = recording.steps.get(number)
        clips, labels = model.batch(number, step.draw if step else 0)
        adam.zero_grad()
        logits = built(torch.from_numpy(clips))
        F.cross_entropy(logits, torch.from_numpy(labels).long()).backward()
        adam.step()
        if step is not None:
            held = built.state_dict()
            now = {row.path: row.to_official(held[key]) for key, row in rows.items()}
            found.append(distance(layout, layout.picked(now), step.after))
    return found
