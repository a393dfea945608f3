"""Trains in a process of its own: DATA FOLDER RECIPE-as-JSON; no tests in here."""

import json
import sys
from pathlib import Path

from leaf_port.training import Recipe, read_corpus, train
from leaf_port.training.processes import joined
from leaf_port.training.run import Options


def main() -> None:
    """Trains, or goes on."""
    data, folder, told = sys.argv[1:]
    given = json.loads(told)
    recipe = Recipe(**{**given, "filters": tuple(given["filters"])})
    options = Options(seconds=0.0, tell=lambda _: None)
    with joined("cpu", recipe.batch_size) as processes:
        train(
            recipe,
            read_corpus(Path(data)),
            Path(folder),
            resume=True,
            processes=processes,
            options=options,
        )
    if left := [name for name in _threads() if "gloo" in name]:
        raise RuntimeError(f"threads outlive the processes' group: {left}")


def _threads() -> list[str]:
    """The names of this process's threads, where the system tells them."""
    return [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]


if __name__ == "__main__":
    main()
