"""A broken folder is refused by an error that names what is wrong; an odd one is loaded."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import hashlib
import json
import math
import os
import re
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from leaf_port import _hub, _registry, pretrained
from leaf_port.errors import LeafError
from parity.checks.invariants.folder import CONFIG, FORMAT_VERSION, WEIGHTS, Kept, Tree, kept
from parity.port.torch_defaults import default_dtype
from parity.spec import LayerSpec

Spoil = Callable[[Path], object]

_GREATEST = 2**40
_MOST_KINDS = 16
_LARGEST_CONFIG = 1 << 20
_SECONDS = 30.0
_DEEP = 100_000
"""How deep lists are that no reader follows."""


@dataclasses.dataclass(frozen=True)
class Broken:
    """What is done to a folder, and how it is refused then.

    Attributes:
        name: what is broken.
        spoil: breaks it.
        argument: what the error names: a file of the folder, or an argument that stands in one.
        expected: what the error says that it takes, whole.
        got: what it says that came, with ... for any text.
        owner: who refuses; ``from_pretrained`` names files by their paths.
        fix: what it says can be done; empty for anything.
    """

    name: str
    spoil: Spoil
    argument: str
    expected: str
    got: str
    owner: str = "from_pretrained"
    fix: str = ""

    def problem(self, cls: Any, folder: Path) -> str:
        """How a folder is not refused so; empty where it is."""
        self.spoil(folder)
        try:
            with _interrupted(_SECONDS):
                cls.from_pretrained(folder)
        except LeafError as error:
            of_file = self.owner == "from_pretrained"
            argument = str(folder / self.argument) if of_file else self.argument
            told = error.owner, error.argument, error.expected
            if told != (self.owner, argument, self.expected):
                return f"{self.name}: {told} are not {(self.owner, argument, self.expected)}"
            right = _like(str(error.got), self.got) and error.fix == (self.fix or error.fix) != ""
            return "" if right else f"{self.name}: {error}"
        return f"{self.name}: it is taken"


def _like(text: str, pattern: str) -> bool:
    parts = map(re.escape, pattern.split("..."))
    return bool(re.fullmatch(".*".join(parts), text, re.DOTALL))


def told(spec: LayerSpec) -> str:
    """Every broken folder of a layer that is refused in other words: the first of them."""
    held = kept(spec)
    with tempfile.TemporaryDirectory(prefix="parity-folder-") as top:
        for index, broken in enumerate(_all(held)):
            folder = Path(top, str(index))
            held.write(folder)
            if problem := broken.problem(held.cls, folder):
                return problem
    return ""


def _all(held: Kept) -> Iterator[Broken]:
    yield from _arguments(held)
    yield from _kinds(held)
    yield from _configs(held)
    yield from _weights(held)
    yield from _files()


def _changed(held: Kept, **changes: Any) -> Spoil:
    return lambda folder: held.write(folder, {**held.tree, **changes})


def _with(held: Kept, value: object, name: str = "another") -> Spoil:
    """A folder with a further argument."""
    return _changed(held, arguments={**held.tree["arguments"], name: value})


def _layer(kind: object, **arguments: object) -> Tree:
    return {"kind": kind, "arguments": arguments}


def _nested(count: int) -> Tree:
    """So many dictionaries in one another."""
    return {"inside": _nested(count - 1)} if count > 1 else {}


def _dictionaries(value: object) -> int:
    """How many there are in one."""
    inside = value.values() if isinstance(value, dict) else ()
    return isinstance(value, dict) + sum(map(_dictionaries, inside))


def _arguments(held: Kept) -> Iterator[Broken]:
    """Arguments that no constructor takes, and numbers that nothing is built with."""
    tensors = len(held.weights)
    nobody = f"those of {held.tree['kind']}"

    def refused(name: str, value: object, argument: str, expected: str, got: str) -> Broken:
        spoil = _with(held, value, name)
        return Broken(f"{name}: {value!r:.60}", spoil, argument, expected, got, CONFIG)

    def passed(name: str, value: object) -> Broken:
        """The sizes are right: the constructor does not take it."""
        return refused(name, value, "arguments", nobody, f"...argument '{name}'")

    below = f"a number below {_GREATEST:g}"
    yield passed("another", _GREATEST - 1)
    yield passed("another", 1 - _GREATEST)
    yield refused("another", _GREATEST, "another", below, "a greater one")
    yield refused("another", -_GREATEST, "another", below, "a greater one")
    for number in (math.inf, -math.inf, math.nan, float(_GREATEST)):
        yield refused("another", number, "another", below, str(number))
    inside = _layer("PCEN", num_channels=math.inf)
    yield refused("another", inside, "num_channels", below, "inf")
    most = f"at most {tensors} layers, as the file has so many tensors"
    for name in ("another", "depth"):
        yield passed(name, [0] * tensors)
        yield refused(name, [0] * (tensors + 1), name, most, str(tensors + 1))
    yield passed("depth", tensors)
    yield passed("another", tensors + 1)
    yield refused("depth", tensors + 1, "depth", most, str(tensors + 1))
    yield refused("depth", tensors + 1.5, "depth", most, str(tensors + 1))
    if tensors:
        yield refused("another", [[math.inf]], "another", below, "inf")
    here = _dictionaries(held.tree["arguments"])
    layers = f"at most {_MOST_KINDS} layers"
    yield refused("another", _nested(_MOST_KINDS - here), "kind", _known(), "None")
    one_more = _nested(_MOST_KINDS - here + 1)
    yield refused("another", one_more, "arguments", layers, str(_MOST_KINDS + 1))


def _known() -> str:
    return f"one of {', '.join(sorted(_registry.KINDS))}"


def _kinds(held: Kept) -> Iterator[Broken]:
    """Layers among the arguments that are none, and such that refuse what they are given."""
    wrong: list[tuple[object, str]] = [
        ({"kind": "os.system"}, "'os.system'"),
        (_layer("os.system"), "'os.system'"),
        (_layer(3), "3"),
        (_layer({}), "{}"),
        ({"kind": "PCEN", "arguments": 3}, "'PCEN'"),
        ({"kind": "PCEN", "arguments": None}, "'PCEN'"),
    ]
    for value, got in wrong:
        yield Broken(f"a layer {value}", _with(held, value), "kind", _known(), got, CONFIG)
    own = _changed(held, arguments=3)
    yield Broken("no arguments", own, "kind", _known(), repr(held.tree["kind"]), CONFIG)
    parts = f"one of {', '.join(sorted(_registry.PARTS))}"
    for name in ("conv1d_cls", "pooling_cls"):
        for part in ("eval", None, 3, *([["eval"]] if held.weights else [])):
            spoil = _with(held, part, name)
            yield Broken(f"{name} {part}", spoil, name, parts, repr(part), CONFIG)
        yield Broken(name, _with(held, {}, name), "kind", _known(), "None", CONFIG)
    of_pcen = _with(held, _layer("PCEN", num_channels=2, another=1))
    yield Broken("PCEN(another)", of_pcen, "arguments", "those of PCEN", "...'another'", CONFIG)
    bare, got = _with(held, {"kind": "PCEN"}), "...argument: 'num_channels'"
    yield Broken("PCEN()", bare, "arguments", "those of PCEN", got, CONFIG)
    none = _with(held, _layer("PCEN", num_channels=0))
    yield Broken("PCEN(0)", none, "num_channels", "an integer of at least 1", "0", "PCEN")
    # Where nothing has memory, the constructor of the layer around it is what refuses.
    huge = _with(held, _layer("AudioClassifier", num_outputs=_GREATEST // 2, num_features=64))
    nobody = f"those of {held.tree['kind']}"
    yield Broken("a huge head", huge, "arguments", nobody, "...'another'", CONFIG)
    digits = _with(held, 10**400)
    expected, got = "a model that can be built", "OverflowError: int too large to convert to float"
    yield Broken("400 digits", digits, CONFIG, expected, got)


def _configs(held: Kept) -> Iterator[Broken]:
    """Files of which no model can be read."""

    def text(name: str, written: bytes, expected: str, got: str) -> Broken:
        return Broken(name, lambda at: (at / CONFIG).write_bytes(written), CONFIG, expected, got)

    yield text("no text", b"\xff{", "JSON", "UnicodeDecodeError: ...")
    in_utf_16 = json.dumps(held.tree).encode("utf-16")
    yield text("UTF-16", in_utf_16, "JSON", "UnicodeDecodeError: ...")
    yield text("cut JSON", b"{", "JSON", "JSONDecodeError: ...")
    yield text("deep JSON", b"[" * _DEEP, "JSON", "RecursionError: ...")
    version = f"format_version {FORMAT_VERSION}"
    for other in (b"[]", b"3", b"null", b"{}"):
        yield text(f"JSON {other!r}", other, version, "None")
    for wrong in (FORMAT_VERSION + 1, "1", None):
        spoil = _changed(held, format_version=wrong)
        yield Broken(f"format_version {wrong!r}", spoil, CONFIG, version, repr(wrong))
    for nothing in (None, 3, ["Leaf"]):
        spoil, expected = _changed(held, kind=nothing), "kind: the name of a class"
        yield Broken(f"kind {nothing}", spoil, CONFIG, expected, repr(nothing))
    mine = held.tree["kind"]
    for kind in sorted({*_loaded(), "Conformer"} - {mine}):
        spoil, expected = _changed(held, kind=kind), f"a model of kind {mine}"
        yield Broken(f"kind {kind}", spoil, CONFIG, expected, kind, fix=_way(kind, mine))


def _loaded() -> set[str]:
    """The kinds of which folders are loaded."""
    return {name for name, kind in _registry.KINDS.items() if hasattr(kind, "from_pretrained")}


def _way(kind: str, wanted: str) -> str:
    """What an error advises to whom a folder is of another kind."""
    if kind not in _loaded():
        return "save it again, or convert the checkpoint again: python -m weight_conversion convert"
    own = f"call {kind}.from_pretrained"
    if kind == "AudioClassifier":
        return f"{own}; its frontend: AudioClassifier.from_pretrained(...).frontend"
    if wanted == "AudioClassifier":
        return f"{own}; a new classifier of it: AudioClassifier(num_outputs, frontend, encoder)"
    return own


def _weights(held: Kept) -> Iterator[Broken]:
    """Weights that are those of another model, or of none."""

    def other(name: str, weights: Mapping[str, Tensor], got: str) -> Broken:
        expected = f"the weights of the {held.tree['kind']} that {CONFIG} describes"
        return Broken(name, lambda at: held.write(at, None, weights), WEIGHTS, expected, got)

    whole, names = dict(held.weights), sorted(held.weights)
    one, two = torch.zeros(1), {"b": torch.zeros(1), "a": torch.zeros(2)}
    yield other("two more", {**whole, **two}, "unexpected: a, b")
    if names:
        first = whole[names[0]]
        rest = {name: whole[name] for name in names[1:]}
        missing = f"missing: {', '.join(names)}"
        yield other("other names", two, f"{missing}; unexpected: a, b")
        yield other("one less", rest, f"missing: {names[0]}")
        shape, wider = tuple(first.shape), (*first.shape, 2)
        told = f"of another shape: {names[0]} {wider} for {shape}"
        yield other("a shape", {**rest, names[0]: torch.zeros(wider)}, told)
        for dtype in (torch.float64, torch.float16):
            is_other = f"{shape} {str(dtype).removeprefix('torch.')} for {shape}"
            told = f"of another shape: {names[0]} {is_other}"
            cast = {**rest, names[0]: first.to(dtype)}
            yield other(f"as {dtype}", {**cast, "more": one}, f"unexpected: more; {told}")
    if "num_outputs" in held.tree["arguments"]:  # told before so many have memory
        huge = {**held.tree["arguments"], "num_outputs": _GREATEST // 2}
        spoil, got = _changed(held, arguments=huge), f"...for ({_GREATEST // 2},)..."
        expected = f"the weights of the {held.tree['kind']} that {CONFIG} describes"
        yield Broken("huge weights", spoil, WEIGHTS, expected, got)
    for name, cut in (("pickle", b"pickle"), ("empty", b""), ("cut", held.data()[:-1])):
        spoil = _written(WEIGHTS, cut)
        yield Broken(
            f"{name} weights", spoil, WEIGHTS, "a safetensors file", "SafetensorError: ..."
        )
    found = hashlib.sha256(held.data()).hexdigest()
    fix = f"convert or save it again; if you changed them, take {WEIGHTS} out of its 'weights'"
    for noted in (found[::-1], "", 3, [found]):
        spoil = _changed(held, weights={WEIGHTS: noted})
        expected = f"SHA-256 {noted!r:.80}, which {CONFIG} notes"
        yield Broken(f"SHA-256 {noted}", spoil, WEIGHTS, expected, found, fix=fix)


def _written(name: str, data: bytes) -> Spoil:
    return lambda folder: (folder / name).write_bytes(data)


def _files() -> Iterator[Broken]:
    """Files that are not there, are none, or are too large."""
    for name in (CONFIG, WEIGHTS):
        gone, expected = os.strerror(errno.ENOENT), "a file that can be read"
        fix = f"give a folder that holds {CONFIG} and {WEIGHTS}"
        yield Broken(f"no {name}", _without(name), name, expected, gone, fix=fix)
        if hasattr(os, "mkfifo"):  # elsewhere folders aren't opened at all
            for make in (os.mkdir, os.mkfifo):
                spoil, got = _replaced(name, make), "a folder, device or pipe"
                yield Broken(f"{make.__name__} {name}", spoil, name, "a plain file", got)
    large, most = b" " * (_LARGEST_CONFIG + 1), f"a file of at most {_LARGEST_CONFIG} bytes"
    got = f"{len(large)} bytes"
    yield Broken("a large file", _written(CONFIG, large), CONFIG, most, got)


@contextlib.contextmanager
def _interrupted(seconds: float) -> Iterator[None]:
    """Raises TimeoutError if it takes longer, where signals can: nobody ever writes to the pipe."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise TimeoutError

    usual = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, usual)


def _without(name: str) -> Spoil:
    return lambda folder: (folder / name).unlink()


def _replaced(name: str, make: Callable[[Path], object]) -> Spoil:
    def replace(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return replace


def taken(spec: LayerSpec) -> str:
    """Every way to name a whole folder, and all that may stand in its config.json beside."""
    held = kept(spec)
    sha = hashlib.sha256(held.data()).hexdigest()
    beside: list[Tree] = [
        {"weights": {WEIGHTS: sha, "optimizer.safetensors": "another"}},
        {"weights": {WEIGHTS: None}},
        {"weights": sha},
        {"versions": {}, "source": [], "object": "another"},
    ]
    with tempfile.TemporaryDirectory(prefix="parity-folder-") as top:
        folder = Path(top, "model")
        for more in beside:
            held.write(folder, {**held.tree, **more})
            if problem := _loads(held, folder):
                return f"{more}: {problem}"
        text = (folder / CONFIG).read_text(encoding="utf-8")
        (folder / CONFIG).write_text(text.ljust(_LARGEST_CONFIG), encoding="utf-8")
        for given in (folder, str(folder), os.path.relpath(folder)):
            if problem := _loads(held, given):
                return f"{given!r}: {problem}"
        with torch.device("meta"):  # as whoever builds a large model sets it
            if problem := _loads(held, folder):
                return f"under another device: {problem}"
        with default_dtype(torch.float64):
            if problem := _loads(held, folder):
                return f"under another dtype: {problem}"
        return (
            _none(held, Path(top, "none"))
            or _none(held, folder / CONFIG)
            or _revision(held, folder)
            or _namesake(held, folder)
            or _no_memory(held, folder)
            or _of_hub(held, folder)
        )


def _loads(held: Kept, given: str | Path, **options: Any) -> str:
    """What the layer of a folder has otherwise; warnings are such."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before, dtype = list(warnings.filters), torch.get_default_dtype()
        loaded = held.cls.from_pretrained(given, **options)
        if warnings.filters != before:
            return "warnings are filtered otherwise afterwards"
        if torch.get_default_dtype() != dtype:
            return "torch's default dtype is another one afterwards"
    state = loaded.state_dict()
    if type(loaded) is not held.cls or state.keys() != held.weights.keys():
        return "it is another class"
    if loaded.training or {each.device.type for each in _tensors(loaded)} - {"cpu"}:
        return "it is not one for evaluation on the CPU"
    same = all(torch.equal(tensor, state[name]) for name, tensor in held.weights.items())
    return "" if same else "its weights are others"


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _refused(act: Callable[[], object], *parts: str) -> str:
    """How an error does not say what it should."""
    try:
        act()
    except LeafError as error:
        lacking = [part for part in parts if part not in str(error)]
        return f"it does not say {lacking}: {error}" if lacking else ""
    return f"nothing is refused that is {parts}"


def _loading(held: Kept, *given: str | Path) -> Callable[[], object]:
    return functools.partial(held.cls.from_pretrained, *given)


def _none(held: Kept, path: Path) -> str:
    """A folder that is not there, or is a file, is named as it was given."""
    for given in (str(path), os.path.relpath(path)):
        # Windows opens no folders, so that a file of it is what is missing there.
        whole = ":" if os.open in os.supports_dir_fd else ""
        expected = f"from_pretrained: {given}{whole}"
        if problem := _refused(_loading(held, given), expected):
            return problem
    return ""


def _revision(held: Kept, folder: Path) -> str:
    act = _loading(held, str(folder), "main")
    return _refused(act, "from_pretrained: revision", "a folder; leave it out")


def _namesake(held: Kept, folder: Path) -> str:
    """A class of the user's that has the name of ours is given no model of ours."""
    ours = f"{held.cls.__module__}.{held.cls.__name__}"
    expected = f"a model of {__name__}.{held.cls.__name__}"
    own: Any = type(held.cls.__name__, (held.cls,), {})
    fix = f"call {ours}.from_pretrained"
    refused = Broken("a namesake", lambda _: None, CONFIG, expected, ours, fix=fix)
    return refused.problem(own, folder)


def _no_memory(held: Kept, folder: Path) -> str:
    """Where no memory is left for a model, the error names its file."""
    full = RuntimeError("no memory is left")
    with mock.patch.object(pretrained, "materialised", side_effect=full):
        told = f"from_pretrained: {folder / CONFIG}: ", f"got RuntimeError: {full}; "
        return _refused(_loading(held, folder), *told)


_OPTIONS: tuple[Mapping[str, Any], ...] = (
    {},
    {"revision": "v2", "cache_dir": "kept", "token": "secret", "local_files_only": True},
)
_DEFAULTS = {"revision": None, "cache_dir": None, "token": None, "local_files_only": False}
_ADVICE: Mapping[tuple[str, ...], str] = {
    ("OSError",): "check the network",
    ("RepositoryNotFoundError",): "check the name",
    ("GatedRepoError", "RepositoryNotFoundError"): "ask for access",
    ("Known", "RevisionNotFoundError"): "check the revision",
    ("LocalEntryNotFoundError",): "connect to the network, or download it",
    ("OfflineModeIsEnabled",): "connect to the network, and unset HF_HUB_OFFLINE",
    ("HFValidationError",): "give owner/name",
}
"""What is advised, by the class of an error of the Hub's library and those that it is derived from.

The classes' names are those of the library."""


def _of_hub(held: Kept, folder: Path) -> str:
    """Of the Hub the two files are asked for, as the caller says, and no network is used."""
    asked: list[tuple[str, Mapping[str, Any]]] = []
    failing = {names[0]: _error(names) for names in _ADVICE}

    def download(name: str, **options: Any) -> str:
        asked.append((name, options))
        if options["revision"] in failing:
            raise failing[options["revision"]]("no such\n revision " + "x" * 200)
        return str(folder)

    name = "some-one_2/leaf.audio-4"
    library = SimpleNamespace(snapshot_download=download)
    with mock.patch.dict(sys.modules, huggingface_hub=library):
        for options in _OPTIONS:
            if problem := _loads(held, name, **options):
                return problem
            _hub.Hub(**options).located(name)  # as the command line does
            files = {"allow_patterns": [CONFIG, WEIGHTS], "library_name": "leaf-port"}
            if asked != 2 * [(name, {**_DEFAULTS, **options, **files})]:
                return f"the Hub is asked otherwise than with {options}"
            asked.clear()
        cut = f"no such revision {'x' * 200}"[:200]
        for (error, *_), advice in _ADVICE.items():
            told = f"from_pretrained: {name}", f"got {error}: {cut}; {advice}"
            if problem := _refused(_loading(held, name, error), *told):
                return problem
        asked.clear()
        for path in ("a/b/c", "a", "./a/b", "a/b.safetensors", Path("a/b")):
            if problem := _refused(
                _loading(held, path), "from_pretrained: ", "a file that can be read"
            ):
                return problem
        if asked:
            return f"the Hub is asked for {asked}"
    with mock.patch.dict(sys.modules, huggingface_hub=None):
        none = f"{name}: expected a folder that exists, got none, and no huggingface_hub; "
        lacking = f"push_to_hub: {name}: expected huggingface_hub, got no huggingface_hub; "
        return _refused(_loading(held, name), none, 'pip install "leaf-port[hub]"') or _refused(
            functools.partial(_hub._library, "push_to_hub", name), lacking
        )


def _error(names: Sequence[str]) -> type[Exception]:
    """A class of errors of a name, derived from those of the other names."""
    base: type[Exception] = OSError
    for name in reversed(names):
        base = type(name, (base,), {})
    return base
