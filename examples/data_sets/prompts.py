"""Prompts of a telephone exchange, in up to five languages: digits, letters, words, sentences.

    apt install asterisk-core-sounds-{en,es,fr,it,ru}-wav
    python examples/data_sets/prompts.py --out prompts

The label is the language, which one speaker has recorded: it is confounded with the voice. Every
fifth prompt, by its name, is for the test, the same in all languages. `--label prompt` makes the
prompt the label (digits and letters alone) and one language the test: `--test ru`. The recordings
are under CC BY-SA 3.0.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import _folder
from _folder import Clip

SOUNDS = Path("/usr/share/asterisk/sounds")
SHORTEST, LONGEST = 0.1, 3.0  # seconds
WORDS = ("digits", "letters", "phonetic")  # folders of single words


def languages(sounds: Path) -> dict[str, Path]:
    """The folder of each: en_US_f_Allison is English."""
    found: dict[str, Path] = {}
    for folder in sorted(sounds.iterdir()):
        if folder.is_dir() and "_" in folder.name:
            found.setdefault(folder.name.split("_")[0], folder)
    return found


def prompts(folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and file of each."""
    for path in sorted(folder.rglob("*.wav")):
        yield "-".join(path.relative_to(folder).with_suffix("").parts), path


def held_out(prompt: str) -> bool:
    """One in five."""
    return hashlib.sha256(prompt.encode()).digest()[0] % 5 == 0


def clips(sounds: Path, by_prompt: bool, test: str) -> Iterator[Clip]:
    """Of all languages, or of the prompts that each of them has."""
    found = {language: dict(prompts(path)) for language, path in languages(sounds).items()}
    shared = set.intersection(*(set(each) for each in found.values())) if found else set()
    for language, named in found.items():
        for prompt, path in named.items():
            if by_prompt and not (prompt in shared and prompt.startswith(WORDS)):
                continue
            samples, rate = _folder.read(path)
            if not SHORTEST * rate <= len(samples) <= LONGEST * rate:
                continue
            if by_prompt:
                yield Clip(prompt, language, samples, rate, language == test)
            else:
                yield Clip(language, prompt, samples, rate, held_out(prompt))


def main() -> None:
    """Builds it."""
    parser = _folder.parser(str(__doc__))
    parser.add_argument("--label", choices=("language", "prompt"), default="language")
    parser.add_argument("--test", default="ru", help="with --label prompt: the test's language")
    parser.add_argument("--sounds", type=Path, default=SOUNDS)
    given = parser.parse_args()
    sounds = _folder.installed(given.sounds, "asterisk-core-sounds-en-wav")
    if given.label == "prompt" and given.test not in languages(sounds):
        raise SystemExit(f"--test {given.test}: no such language; there are {[*languages(sounds)]}")
    found = clips(sounds, given.label == "prompt", given.test)
    _folder.write(given.out, f"# Prompts\n\n{__doc__}", found, given.rate)


if __name__ == "__main__":
    main()
