"""Arguments and defaults of the port's public classes and functions are the official ones."""

from __future__ import annotations

import inspect
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from leaf_port import _registry, pretrained
from parity.checks.invariants.generic import PACKAGE
from parity.checks.invariants.told_arguments import with_subclasses
from parity.oracles import descriptions
from parity.oracles.official_worker import arguments
from parity.spec import LayerSpec, Signature

_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "from_pretrained": {
        "revision": None,
        "cache_dir": None,
        "token": None,
        "local_files_only": False,
    },
    "save_pretrained": {"overwrite": False},
    "push_to_hub": {
        "revision": None,
        "private": None,
        "token": None,
        "commit_message": None,
        "create_pr": False,
        "overwrite": False,
    },
    "write_card": {"overwrite": False},
}
"""What is done where nobody says otherwise: nothing is replaced, and nothing made public."""

# Every Keras layer takes it; torch's are named by the attribute that holds them.
_KERAS_ALONE = frozenset({"name"})


def alike(spec: LayerSpec) -> str:
    """Every signature of a declaration beside the recorded ones: the first problem."""
    found = (problem for signature in spec.signatures for problem in problems(signature))
    of_folders = _of_folders() if spec.folder else ()
    return next(itertools.chain(found, _undeclared(spec), of_folders), "")


def _of_folders() -> Iterator[str]:
    """What loading, saving and publishing do by default otherwise than is known."""
    for name, wanted in _DEFAULTS.items():
        act = getattr(pretrained.FromPretrained, name, None) or getattr(pretrained, name)
        takes = inspect.signature(act).parameters.values()
        found = {each.name: each.default for each in takes if each.default is not each.empty}
        if found != wanted:
            yield f"{name} takes {found} by default, not {wanted}"


def _undeclared(spec: LayerSpec) -> Iterator[str]:
    """Which default of a class that nobody declares is another than the declared ones have."""
    from parity.layers import all_specs

    declared = {signature.port for each in all_specs().values() for signature in each.signatures}
    kinds = [kind for kind in _registry.KINDS.values() if inspect.isclass(kind)]
    own = [each for each in spec.signatures if each.port in kinds]
    for signature, port in itertools.product(own, [k for k in kinds if k not in declared]):
        for name, default in arguments(port).items():
            wanted = arguments(signature.port).get(name)
            if default and name in signature.own and wanted != default:
                yield f"{port.__qualname__}: {name} is {told(default)} by default, not {wanted}"


def registered(spec: LayerSpec) -> str:
    """Every class of a declaration that tells its arguments can be named in a folder.

    So can what derives from it and takes the same arguments.
    """
    for port in with_subclasses(spec):
        name = port.__name__
        if hasattr(port, "_arguments") and _registry.KINDS.get(name) is not port:
            return f"{name} tells its arguments, and no folder may name it"
    for name, kind in _telling():
        if _registry.KINDS.get(name) is not kind:
            return f"{name} tells its arguments, and no folder may name it"
    return ""


def _telling() -> Iterator[tuple[str, type]]:
    """The port's classes that say of which arguments they are made."""
    for path, module in list(sys.modules.items()):
        for name, each in vars(module).items() if path.startswith(f"{PACKAGE}.") else ():
            if inspect.isclass(each) and each.__module__ == path and "_arguments" in vars(each):
                yield name, each


def problems(signature: Signature) -> Iterator[str]:
    """What a signature has otherwise than it is declared."""
    ours, theirs = arguments(signature.port), official(signature)
    owner = signature.port.__qualname__
    for name, default in ours.items():
        counterpart = theirs.get(signature.named.get(name, name))
        if name in signature.own:
            yield from (f"{owner}: {name}: {each}" for each in _own(signature, name, counterpart))
        elif counterpart is None:
            yield f"{owner} takes {name}, and the official code does not: declare why"
        elif not same(default, counterpart):
            yield f"{owner}: {name} is {told(default)} by default, officially {told(counterpart)}"
    known = {signature.named.get(name, name) for name in ours} | _KERAS_ALONE
    if not takes_others(signature):
        for name in theirs.keys() - known - signature.lacks.keys():
            yield f"{owner} lacks {name}, which the official code takes: declare why"
    for name in signature.lacks:
        if name in known or name not in theirs:
            yield f"{owner}: declared as lacking {name}, which does not apply"
    for name in (signature.own.keys() | signature.named.keys()) - ours.keys():
        yield f"{owner}: {name} is declared, and it does not take it"


def official(signature: Signature) -> Mapping[str, Sequence[Any]]:
    """The recorded arguments: the counterpart's, then those of what takes the others."""
    found: dict[str, Sequence[Any]] = {}
    for name in reversed(signature.counterparts):
        found |= descriptions.signature(name)
    return found


def takes_others(signature: Signature) -> bool:
    """Whether the port's takes further keyword arguments too."""
    parameters = inspect.signature(signature.port).parameters.values()
    return any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters)


def _own(signature: Signature, name: str, counterpart: Sequence[Any] | None) -> Iterator[str]:
    default = arguments(signature.port)[name]
    declared = arguments(_with(signature.own[name].value))["it"]
    if default != declared:
        yield f"{told(default)} by default, declared is {told(declared)}"
    if counterpart is not None and same(default, counterpart):
        yield f"declared as another default than the official {told(counterpart)}, which it is"


def _with(value: Any) -> Any:
    """A function with a default."""

    def function() -> None:
        """Does nothing."""

    it = inspect.Parameter("it", inspect.Parameter.KEYWORD_ONLY, default=value)
    function.__signature__ = inspect.Signature([it])  # type: ignore[attr-defined]
    return function


def same(one: Any, other: Any) -> bool:
    """Whether two defaults are the same; names of classes but for capitals (``Conv1D``)."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        names = [each.get("named", "").casefold() for each in (one, other)]
        return one == other or (bool(names[0]) and names[0] == names[1])
    if isinstance(one, Sequence) and not isinstance(one, str):
        return (
            isinstance(other, Sequence)
            and len(one) == len(other)
            and all(same(*pair) for pair in zip(one, other, strict=True))
        )
    return bool(isinstance(one, bool) == isinstance(other, bool) and one == other)


def told(default: Sequence[Any]) -> str:
    """A default as a failure prints it."""
    return repr(default[0]) if default else "required"
