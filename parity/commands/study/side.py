"""A cell in training, which also watches its filters."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from leaf_port import Leaf
from leaf_port.training.corpus import Corpus
from leaf_port.training.recipe import Recipe
from parity.commands.accuracy.loop import Tell
from parity.commands.accuracy.port import Port
from parity.commands.study import movement, variants
from parity.commands.study.cells import Cell


class Watched(Port):
    """A model of the study.

    Args:
        cell: what is trained.
        recipe: how.
        corpus: on what.
        tell: is called with lines of progress.
    """

    def __init__(self, cell: Cell, recipe: Recipe, corpus: Corpus, tell: Tell) -> None:
        rate = recipe.sample_rate
        model = variants.build(cell, rate, len(corpus.labels))
        super().__init__(recipe, corpus, rate, tell, model)
        self.trainer.optimizer = variants.optimizer(cell, model, recipe.learning_rate)
        self._initial: Any = copy.deepcopy(model.frontend)

    def watched(self) -> Mapping[str, Any]:
        """The parameters by now, and how far the filters are from the initial ones."""
        now: Any = self.model.frontend
        if not isinstance(now, Leaf):
            return {}
        found = movement.parameters(now)
        away = movement.distances(self._initial, now)
        moved = movement.summary(movement.parameters(self._initial), found)
        return {"parameters": found, "moved": {**moved, "distance": float(away.mean())}}
