"""Languages: letters and words of children's games, one speaker a language and game.

    apt install klettres-data ktuberling-data
    python examples/data_sets/languages.py --out languages

The label is the language. The games were recorded by different people: klettres is for training,
ktuberling for the test. A language is confounded with its speaker and microphone, so accuracy on
the test tells whether something of the language was learnt, and on the training's clips nothing.
The recordings are under the GPL, version 2 or later.
"""

from collections.abc import Iterator
from pathlib import Path

import _folder
from _folder import Clip

TRAIN, TEST = Path("/usr/share/klettres"), Path("/usr/share/ktuberling/sounds")
FEWEST = 10  # recordings of a language in each game
SUFFIXES = {".ogg", ".wav"}


def recordings(folder: Path) -> dict[str, list[Path]]:
    """Of each language of a game."""
    found = {
        language.name: sorted(each for each in language.rglob("*") if each.suffix in SUFFIXES)
        for language in sorted(folder.iterdir())
        if language.is_dir()
    }
    return {language: files for language, files in found.items() if len(files) >= FEWEST}


def clips(train: Path, test: Path) -> Iterator[Clip]:
    """Of the languages that both games have."""
    games = {"klettres": recordings(train), "ktuberling": recordings(test)}
    shared = sorted(set.intersection(*(set(game) for game in games.values())))
    for game, found in games.items():
        for language in shared:
            for number, path in enumerate(found[language]):
                samples, rate = _folder.read(path)
                name = f"{game}_{number:03}"
                yield Clip(language, name, samples, rate, game == "ktuberling")


def main() -> None:
    """Builds it."""
    parser = _folder.parser(str(__doc__))
    parser.add_argument("--klettres", type=Path, default=TRAIN)
    parser.add_argument("--ktuberling", type=Path, default=TEST)
    given = parser.parse_args()
    train = _folder.installed(given.klettres, "klettres-data")
    test = _folder.installed(given.ktuberling, "ktuberling-data")
    _folder.write(given.out, f"# Languages\n\n{__doc__}", clips(train, test), given.rate)


if __name__ == "__main__":
    main()
