"""The frontends that the command ``filters`` shows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from leaf_port import _checks, shipped
from leaf_port._cli import frontends
from leaf_port._cli.frontends import TITLES, Asked, Name
from leaf_port._cli.refusal import in_words_of
from leaf_port._rates import OFFICIAL_RATE
from leaf_port._responses import check_comparable
from leaf_port.errors import FilterWarning, LeafError
from leaf_port.pretrained import CONFIG

WHERE = "filters"


@dataclass(frozen=True)
class Model:
    """A frontend and what it was asked for as.

    Attributes:
        given: the folder, or the name of a frontend with initial weights.
        is_folder: which of the two.
        frontend: in evaluation mode.
        title: of the frontend's kind.
        asked: what a frontend is built from to be compared with it.
    """

    given: str
    is_folder: bool
    frontend: Any
    title: str
    asked: Asked

    @property
    def rate(self) -> int:
        """In Hz."""
        return int(self.frontend.sample_rate)

    @property
    def label(self) -> str:
        """What pictures call it: the folder's name, or that its weights are initial."""
        return (
            Path(self.given).resolve().name
            if self.is_folder
            else f"initial weights of {self.given}"
        )


def read(option: str, given: str, asked: Asked, sample_rate: int | None) -> Model:
    """A frontend, from a folder or by name.

    Filters of initial weights are not warned of here: the filters that are shown are.

    Args:
        option: what the argument is called.
        given: its value.
        asked: sizes that are asked for.
        sample_rate: in Hz.

    Raises:
        LeafError: neither a folder nor a name, or what the folder's model or the sizes refuse.
    """
    with in_words_of(WHERE, option), warnings.catch_warnings():
        warnings.simplefilter("ignore", FilterWarning)
        if _is_name(option, given):
            return _named(given, asked, sample_rate)
        return _folder(option, given, asked, sample_rate)


def read_before(given: str, model: Model) -> Model:
    """What ``model`` was before: a folder, or a frontend of its sizes with initial weights.

    Raises:
        LeafError: see :func:`read`, and one that does not compare with it.
    """
    option = "--before"
    named = _is_name(option, given)
    found = read(option, given, model.asked if named else Asked(), model.rate if named else None)
    check_comparable(WHERE, model.frontend, found.frontend, option)
    return found


def _is_name(option: str, given: str) -> bool:
    """Whether a frontend is meant.

    Raises:
        LeafError: a folder with a model has the same name.
    """
    if given not in {name.value for name in Name}:
        return False
    if Path(given, CONFIG).exists():
        expected, fix = "a folder or a frontend's name", f"give ./{given} for the folder"
        raise LeafError(WHERE, option, expected, f"{given}, which is both", fix)
    return True


def _named(given: str, asked: Asked, sample_rate: int | None) -> Model:
    rate = OFFICIAL_RATE if sample_rate is None else sample_rate
    _checks.at_least(WHERE, "--sample-rate", rate)
    settings = replace(asked, name=Name(given)).settings()
    frontend = frontends.build(settings, rate)
    return Model(given, False, frontend, TITLES[settings.name], asked)


def _folder(option: str, given: str, asked: Asked, sample_rate: int | None) -> Model:
    from leaf_port._cli.weights import folder_of, read_folder  # needs safetensors

    folder = folder_of(shipped.located(given) or Path(given))
    if folder is None:
        names = ", ".join([*(name.value for name in Name), *shipped.names()])
        expected = f"a folder of config.json and model.safetensors, or one of {names}"
        fix = "give a folder that weight_conversion wrote, or a name"
        raise LeafError(WHERE, option, expected, given, fix)
    found = read_folder(folder, asked)
    if sample_rate not in (None, found.sample_rate):
        expected = f"{found.sample_rate} Hz, as {folder / CONFIG} tells"
        got = f"{sample_rate} Hz"
        raise LeafError(WHERE, "--sample-rate", expected, got, "leave the option out")
    of = found.settings
    sizes = Asked(None, of.n_filters, of.window_len, of.window_stride)
    return Model(str(folder), True, found.module, TITLES[of.name], sizes)
