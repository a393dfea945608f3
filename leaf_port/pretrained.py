"""Models kept in a folder: ``config.json`` says how to build one, ``model.safetensors`` fills it.

The files' names are those of Hugging Face's conventions. ``config.json`` holds ``format_version``,
``kind`` (the class) and ``arguments`` (of its constructor, as data: a layer among them is again a
``kind`` with ``arguments``); what else stands in it tells where the weights come from. Only
registered classes (``leaf_port/_registry.py``) are built, nothing is unpickled. ``save_pretrained``
makes such folders, and ``python -m weight_conversion convert`` makes them from official
checkpoints. Both note the SHA-256 of the weights, which is checked.

A folder may be damaged or hostile. Both files are read from one folder, even while another one is
put in its place. The model is built without memory (on the meta device), and gets some only when
its weights have the names and shapes of those in the file.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from leaf_port import _card, _hub, _publish, _rates, _registry, _saving, _stored
from leaf_port._model_folder import CARD, is_sealed
from leaf_port._model_folder import CONFIG as CONFIG
from leaf_port._model_folder import FORMAT_VERSION as FORMAT_VERSION
from leaf_port._model_folder import WEIGHTS as WEIGHTS
from leaf_port.errors import InitialFilterWarning, LeafError

_PARTS = frozenset({"conv1d_cls", "pooling_cls"})
_LARGEST_CONFIG = 1 << 20
_GREATEST = 2.0**40
_MOST_KINDS = 16
_MOST_CONSTANTS = 1 << 22
_FIX = "save it again, or convert the checkpoint again: python -m weight_conversion convert"


class FromPretrained:
    """Gives a module :meth:`from_pretrained`, :meth:`save_pretrained` and :meth:`push_to_hub`."""

    @classmethod
    def from_pretrained(
        cls,
        folder: str | os.PathLike[str],
        revision: str | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
    ) -> Self:
        """The model of a folder or of the Hugging Face Hub, for evaluation, in float32 on the CPU.

        Args:
            folder: with ``config.json`` and ``model.safetensors``; or, where there is no such path,
                a model that comes with the package (:func:`leaf_port.shipped.names`) or
                ``"owner/name"`` on the Hub. Of the Hub these two files alone are downloaded, both
                of one commit. It needs ``pip install "leaf-port[hub]"``.
            revision: branch, tag or commit on the Hub. A commit always gives the same model.
            cache_dir: where downloads are kept; the Hub's own cache by default.
            token: of the Hub, for private models; the stored one by default.
            local_files_only: whether only what was downloaded before may be taken.

        Raises:
            LeafError: a file that is missing or damaged, another version of the format, a model of
                another class, weights that are not exactly those of the model, or a download that
                fails.
        """
        place = _hub.Hub(revision, cache_dir, token, local_files_only).located(folder)
        path = place / CONFIG
        config, data = read(place)
        if config["kind"] != cls.__name__:
            fix = _way_to(config["kind"], cls.__name__)
            raise _refusal(path, f"a model of kind {cls.__name__}", config["kind"], fix)
        check_noted(config, data, place / WEIGHTS)
        module = loaded(config, data, place)
        if not isinstance(module, cls):  # a class of one's own that has the name of ours
            expected, got = f"a model of {cls.__module__}.{cls.__name__}", _full_name(module)
            raise _refusal(path, expected, got, f"call {_full_name(module)}.from_pretrained")
        return module.eval()

    def save_pretrained(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Writes the model to a folder for :meth:`from_pretrained`, whole or not at all.

        The folder has ``config.json``, ``model.safetensors`` and a model card, ``README.md``. It
        is loaded and compared with the model, bit by bit, before it gets its name. The mode and
        ``requires_grad`` are not kept. A model on another device is written as its copy on the CPU.

        Args:
            folder: to be made; the folder above it must exist.
            overwrite: whether a model's folder of this name, unchanged since it was written, is
                replaced.

        Raises:
            LeafError: an argument of the constructor that is no data, such as an activation or a
                class of your own; a model that was changed to what no constructor makes; weights
                that are shared, not finite or not float32; a place that is taken or cannot be
                written to. Then nothing is left behind.

        Example:
            >>> import tempfile
            >>> from leaf_port import Leaf
            >>> with tempfile.TemporaryDirectory() as place:
            ...     Leaf(n_filters=8).save_pretrained(f"{place}/leaf")
            ...     print(Leaf.from_pretrained(f"{place}/leaf").n_filters)
            8
        """
        _saving.save(cast(nn.Module, self), Path(folder), overwrite, type(self).from_pretrained)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        revision: str | None = None,
        private: bool | None = None,
        token: str | bool | None = None,
        commit_message: str | None = None,
        create_pr: bool = False,
        overwrite: bool = False,
    ) -> str:
        """Saves the model, and uploads its folder to the Hugging Face Hub in one commit.

        Args:
            repo_id: ``"owner/name"``; made where there is none.
            revision: branch, made where there is none; the main one by default.
            private: whether a repository that is made is private; the account's default by default.
            token: of the Hub; the stored one by default.
            commit_message: of the commit.
            create_pr: whether to propose it instead.
            overwrite: whether a model that the repository has is replaced. Its history keeps it.

        Returns:
            The commit's address.

        Raises:
            LeafError: as :meth:`save_pretrained`; a repository that has a model; no package
                ``huggingface_hub``; a Hub that refuses or cannot be reached.
        """
        _hub.check_id("push_to_hub", repo_id)
        message = commit_message or f"Upload {type(self).__name__}"
        with tempfile.TemporaryDirectory(prefix="leaf-port-") as place:
            made = Path(place, "model")
            load, module = type(self).from_pretrained, cast(nn.Module, self)
            _saving.save(module, made, False, load, repo_id)
            return _hub.push(
                made,
                repo_id,
                revision=revision,
                private=private,
                token=token,
                message=message,
                create_pr=create_pr,
                overwrite=overwrite,
            )


def _full_name(module: nn.Module) -> str:
    return f"{type(module).__module__}.{type(module).__name__}"


def _way_to(kind: str, wanted: str) -> str:
    """How the model of a folder is loaded, for whoever wanted another one."""
    if not hasattr(_registry.KINDS.get(kind), "from_pretrained"):  # no model, but a part of one
        return _FIX
    own = f"call {kind}.from_pretrained"
    if kind == "AudioClassifier":
        return f"{own}; its frontend: AudioClassifier.from_pretrained(...).frontend"
    if wanted == "AudioClassifier":
        return f"{own}; a new classifier of it: AudioClassifier(num_outputs, frontend, encoder)"
    return own


def write_card(folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Writes the model card ``README.md`` of a folder, with what ``verification.json`` measured.

    ``save_pretrained`` writes one without measurements. For folders of ``python -m
    weight_conversion``, and after its ``verify``. A card that was written so is replaced.

    Args:
        folder: with ``config.json`` and ``model.safetensors``.
        overwrite: whether a ``README.md`` of yours is replaced.

    Raises:
        LeafError: a folder that :meth:`FromPretrained.from_pretrained` refuses, a ``README.md`` of
            yours, or a verification of other files.
    """
    place = Path(folder)
    config, data = read(place)
    check_noted(config, data, place / WEIGHTS)
    loaded(config, data, place)
    weights = {"weights": {WEIGHTS: hashlib.sha256(data).hexdigest()}}
    text = _card.card({**config, **weights}, place.resolve().name, _card.verification(place))
    try:
        if (place / CARD).exists() and not overwrite and not is_sealed(place / CARD):
            fix = "give overwrite=True, or --force, to replace it"
            raise LeafError("card", str(place / CARD), "none", "one that was edited", fix)
        with _publish.new_file(place / CARD) as made:
            made.write_text(text, encoding="utf-8")
    except OSError as error:
        got, fix = error.strerror or error, "check the folder's permissions and the free space"
        raise LeafError("card", str(place), "a place to write to", got, fix) from error


def read(folder: Path, *names: str) -> Any:
    """What ``config.json`` says, and the bytes of ``model.safetensors``, both of one conversion.

    Args:
        folder: of both.
        *names: other files than ``model.safetensors``, whose bytes come in its place.

    Raises:
        LeafError: a file that is missing or damaged, or another version of the format.
    """
    wanted = [(name, None) for name in names or (WEIGHTS,)]
    fix = "give a folder that holds config.json and model.safetensors"
    text, *data = _stored.read_together(folder, [(CONFIG, _LARGEST_CONFIG), *wanted], fix)
    return _config(folder / CONFIG, text), *data


def check_noted(config: Mapping[str, Any], data: bytes, path: Path) -> None:
    """Refuses weights that are not those of which ``config.json`` notes the SHA-256, if it does.

    Raises:
        LeafError: other bytes.
    """
    noted = config.get("weights")
    expected = noted.get(path.name) if isinstance(noted, dict) else None
    found = hashlib.sha256(data).hexdigest()
    if expected is not None and expected != found:
        fix = (
            f"convert or save it again; if you changed them, take {path.name} out of its 'weights'"
        )
        raise _refusal(path, f"SHA-256 {expected!r:.80}, which {CONFIG} notes", found, fix)


def loaded(config: Mapping[str, Any], data: bytes, folder: Path) -> nn.Module:
    """The model that a configuration describes, with the weights of a safetensors file.

    Raises:
        LeafError: weights that are not exactly those of the model.
    """
    path = folder / WEIGHTS
    weights = parse_weights(data, path)
    with _told(folder / CONFIG), _float32():
        module = skeleton(config, len(weights))
    _check_exactly(module, weights, path)
    with _told(folder / CONFIG), _float32():
        _check_constants(module, len(data))
        module = materialised(module)
    load_exactly(module, weights, path)
    return module


@contextmanager
def _float32() -> Iterator[None]:
    """Layers are made in torch's default dtype, which may be another one than the weights'."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def skeleton(tree: Mapping[str, Any], tensors: int | None = None) -> nn.Module:
    """The model of a description, without values and without memory for them: on the meta device.

    Args:
        tree: its ``kind`` and ``arguments``.
        tensors: of how many the file tells that it is built for; None where there is no file.

    Raises:
        LeafError: as :func:`build`, or a model of more layers than there are tensors.
    """
    _check_sizes(tree, tensors)
    with torch.device("meta"):
        return build(tree)


def _check_constants(module: nn.Module, size: int) -> None:
    """What is computed from the description alone, such as mel filters, must not be huge either."""
    kept = module.state_dict()
    count = sum(each.numel() for name, each in module.named_buffers() if name not in kept)
    most = max(_MOST_CONSTANTS, size)
    if count > most:
        expected = f"mel filters and windows of at most {most} numbers"
        raise LeafError(CONFIG, "arguments", expected, count, _FIX)


def materialised(module: nn.Module) -> nn.Module:
    """A :func:`skeleton` with memory on the CPU, its weights still to be filled in."""
    # Not to_empty, for which torch loads five hundred modules.
    return module._apply(lambda each: torch.empty(each.shape, dtype=each.dtype, device="cpu"))


def _check_sizes(tree: Mapping[str, Any], tensors: int | None) -> None:
    """No more layers than the file has weights, and no greater numbers than any model has."""
    kinds = 0
    stack: list[tuple[str, Any]] = [("arguments", tree.get("arguments"))]
    while stack:
        name, value = stack.pop()
        if isinstance(value, dict):
            kinds += 1
            stack += value.items()
        elif isinstance(value, (list, tuple)):
            _check_count(name, len(value), tensors)
            stack += ((name, each) for each in value)
        elif isinstance(value, (int, float)):
            if not math.isfinite(value) or abs(value) >= _GREATEST:
                got, fix = str(value)[:40] if isinstance(value, float) else "a greater one", _FIX
                raise LeafError(CONFIG, name, f"a number below {_GREATEST:g}", got, fix)
            if name == "depth":
                _check_count(name, int(value), tensors)
    if kinds > _MOST_KINDS:
        raise LeafError(CONFIG, "arguments", f"at most {_MOST_KINDS} layers", kinds, _FIX)


def _check_count(name: str, count: int, tensors: int | None) -> None:
    if tensors is not None and count > tensors:
        expected = f"at most {tensors} layers, as the file has so many tensors"
        raise LeafError(CONFIG, name, expected, count, _FIX)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Whatever goes wrong with what a file says is an error that names the file."""
    try:
        yield
    except LeafError:
        raise
    except Exception as error:
        got = f"{type(error).__name__}: {str(error)[:200]}"
        raise _refusal(path, "a model that can be built", ascii(got)[1:-1], _FIX) from error


def read_config(folder: Path) -> dict[str, Any]:
    """What ``config.json`` says.

    Raises:
        LeafError: no such file, not JSON, or of another version.
    """
    fix = "give a folder that holds config.json and model.safetensors"
    text = _stored.read_together(folder, [(CONFIG, _LARGEST_CONFIG)], fix)[0]
    return _config(folder / CONFIG, text)


def _config(path: Path, text: bytes) -> dict[str, Any]:
    try:
        config = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _refusal(path, "JSON", f"{type(error).__name__}: {error}", _FIX) from error
    version = config.get("format_version") if isinstance(config, dict) else None
    if version != FORMAT_VERSION:
        fix = "convert the checkpoint again with this version, or update leaf_port"
        raise _refusal(path, f"format_version {FORMAT_VERSION}", repr(version), fix)
    if not isinstance(config.get("kind"), str):
        raise _refusal(path, "kind: the name of a class", repr(config.get("kind")), _FIX)
    return dict(config)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        LeafError: no such file, or one of another kind.
    """
    return parse_weights(_stored.read_together(path.parent, [(path.name, None)], _FIX)[0], path)


def parse_weights(data: bytes, path: Path) -> dict[str, Tensor]:
    """The tensors that the bytes of a safetensors file hold.

    Raises:
        LeafError: a file of another kind.
    """
    # Here, so that whoever loads no weights needs no safetensors.
    from safetensors.torch import load

    try:
        return dict(load(data))
    except Exception as error:  # what its reader raises is of many kinds
        got = f"{type(error).__name__}: {str(error)[:200]}"
        raise _refusal(path, "a safetensors file", got, _FIX) from error


def _check_exactly(module: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    problems = differences(module.state_dict(), weights)
    if problems:
        expected = f"the weights of the {type(module).__name__} that {CONFIG} describes"
        raise _refusal(path, expected, problems, _FIX)


def load_exactly(module: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Puts ``weights`` into ``module``, all of them and nothing else.

    Raises:
        LeafError: naming, sorted, what is missing, what is unexpected and what has another shape or
            dtype.
    """
    _check_exactly(module, weights, path)
    module.load_state_dict(dict(weights), strict=True)


def differences(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """What keeps ``given`` from being ``wanted``, in words; nothing if nothing does."""
    groups = {
        "missing": sorted(wanted.keys() - given.keys()),
        "unexpected": sorted(given.keys() - wanted.keys()),
        "of another shape": [
            f"{name} {_describe(given[name])} for {_describe(wanted[name])}"
            for name in sorted(wanted.keys() & given.keys())
            if _describe(given[name]) != _describe(wanted[name])
        ],
    }
    return "; ".join(f"{title}: {', '.join(names)}" for title, names in groups.items() if names)


def _describe(values: Tensor) -> str:
    dtype = str(values.dtype).removeprefix("torch.")
    return f"{tuple(values.shape)}{'' if values.dtype == torch.float32 else f' {dtype}'}"


def build(tree: Mapping[str, Any]) -> nn.Module:
    """The model that a ``kind`` with ``arguments`` describes, with its initial weights.

    Raises:
        LeafError: an unknown kind, or arguments that its constructor does not take.
    """
    with warnings.catch_warnings(), _rates.without_warning():
        warnings.simplefilter("ignore", InitialFilterWarning)  # other weights follow
        made = _made(tree)
    if not isinstance(made, nn.Module):
        raise LeafError(CONFIG, "kind", "a frontend or a classifier", repr(tree["kind"]), _FIX)
    return made


def _made(tree: Mapping[str, Any]) -> Any:
    kind, given = tree.get("kind"), tree.get("arguments", {})
    kinds = _registry.KINDS
    if not isinstance(kind, str) or kind not in kinds or not isinstance(given, dict):
        raise LeafError(CONFIG, "kind", f"one of {', '.join(sorted(kinds))}", repr(kind), _FIX)
    arguments = {name: _value(name, value) for name, value in given.items()}
    try:
        return kinds[kind](**arguments)
    except (TypeError, OverflowError) as error:
        raise LeafError(CONFIG, "arguments", f"those of {kind}", error, _FIX) from error


def _value(name: str, value: Any) -> Any:
    """An argument: a layer where it is a ``kind``, a class where one is due, else what it is."""
    if isinstance(value, dict):
        return _made(value)
    if name not in _PARTS:
        return value
    classes = _registry.PARTS
    if not isinstance(value, str) or value not in classes:
        raise LeafError(CONFIG, name, f"one of {', '.join(sorted(classes))}", repr(value), _FIX)
    return classes[value]


def _refusal(path: Path, expected: str, got: object, fix: str) -> LeafError:
    return LeafError("from_pretrained", str(path), expected, got, fix)
