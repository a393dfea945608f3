"""All laws of a declaration, and whether they hold."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator

from torch import nn

from parity.checks.invariants import (
    arithmetic,
    assigned,
    broken_folders,
    clips,
    compared,
    elsewhere,
    exact_bounds,
    first_values,
    generic,
    lengths,
    made_of,
    one_object,
    options,
    poor_devices,
    pretrained_folders,
    refusals,
    shipped_models,
    signatures,
    sizes,
    told_arguments,
    torch_settings,
    traced,
    ways,
    with_a_part,
    wrong_inputs,
)
from parity.checks.invariants.generic import Usual
from parity.port import processor, runner
from parity.spec import Case, LayerSpec
from parity.spec.invariant import Law
from parity.spec.random_arrays import Source

Check = Callable[[LayerSpec, Case, Usual], str]


@dataclasses.dataclass(frozen=True)
class Held:
    """What came of a law.

    Attributes:
        layer: name of the declaration.
        law: its name.
        problem: how it does not hold; empty where it does.
    """

    layer: str
    law: str
    problem: str


def _generic(spec: LayerSpec) -> Iterator[tuple[str, Check]]:
    """The laws that are asked of every configuration."""
    yield "NumPy's numbers as arguments", generic.numpy_arguments
    if generic.prints(spec):
        yield "what print shows", generic.printed
    yield "a call's warnings and channels", generic.called
    if _of_clips(spec):
        yield "a batch of no clips", generic.no_clips
    if spec.autocast:
        yield "under autocast", generic.autocast
    if spec.folder:
        yield "kept in a folder", pretrained_folders.kept
    yield "operations and what bounds say of them", exact_bounds.exact_bounds


def _of_clips(spec: LayerSpec) -> bool:
    """Whether an input has an axis of clips."""
    inputs = spec.inputs(spec.configs[0], Source(0))
    return any(name in inputs for name in spec.sampling.batched)


def _once(spec: LayerSpec) -> Iterator[tuple[str, Callable[[LayerSpec], str]]]:
    """The laws that are asked once of a declaration."""
    yield "sizes of one", functools.partial(sizes.of, 1)
    yield "sizes of two", functools.partial(sizes.of, 2)
    yield "on a device without values", elsewhere.on_a_device
    if isinstance(runner.build(spec, spec.cases()[0]), nn.Module):
        yield "made again of what it tells", told_arguments.made_again
        yield "built without memory, or given wider weights", assigned.assigned
        yield "moved with a part of the user's", with_a_part.moved
        yield "what one of two models has otherwise", compared.otherwise
    yield "the ways of a device", ways.taken
    if spec.sampling.edges:
        yield "the edges of what is taken", sizes.at_edges
    yield "torch's default dtype and device", torch_settings.kept
    yield "half precision on the meta device", poor_devices.half_on_meta
    if spec.autocast:
        yield "autocast of another device", poor_devices.autocast_of_the_device
    yield "a traced graph", traced.alike
    yield "a graph of the older ONNX exporter", traced.older_exporter
    if wrong_inputs.applies(spec):
        yield "inputs of another kind or shape", wrong_inputs.refused
    if _of_clips(spec):
        yield "beside clips that are not finite", clips.beside_nan
    if clips.takes_lengths(spec):
        yield "clips of several lengths", clips.of_lengths
        yield "how lengths are told", lengths.told
    if spec.folder:
        yield "what is told of a broken folder", broken_folders.told
        yield "what may stand in a folder", broken_folders.taken
        yield "models that come with the package", shipped_models.by_name
    if spec.signatures:
        yield "the official arguments and defaults", signatures.alike
        yield "what is not to be trained", told_arguments.frozen
        yield "what a folder may name", signatures.registered
        yield "what its siblings refuse", refusals.as_siblings
        yield "sizes that no memory holds", refusals.too_large
        yield "every option told", options.kept
        yield "what no folder holds", options.as_data
        yield "what its siblings take", refusals.as_taken
        yield "a tensor given to two layers", first_values.copies_what_it_is_given
    if next(made_of.cases(spec), None):
        yield "what it is made of when built", made_of.as_official
        yield "nothing shared by two layers", first_values.shares_nothing
    if one_object.applies(spec):
        yield "one object, trained and copied", one_object.kept
        if one_object.constrained(spec):
            yield "two constrained layers", one_object.two_constrained
    if spec.arithmetics:
        yield "the arithmetic that is taken", arithmetic.taken
        yield "magnitudes where complex numbers lack", poor_devices.magnitudes
    if next(first_values.cases(spec), None):
        yield "random initial values", first_values.glorot


def laws(spec: LayerSpec) -> list[Law]:
    """Those that follow from a declaration, and those that it adds."""

    @functools.cache  # once for all of them
    def asked() -> list[tuple[Case, Usual]]:
        return [(case, generic.usual(spec, case)) for case in generic.once_each(spec)]

    def of_all(check: Check) -> str:
        """The check of each configuration in turn: the first problem."""
        for case, usual in asked():
            try:
                problem = check(spec, case, usual)
            except Exception as error:
                problem = f"raised {type(error).__name__}: {error}"
            if problem:
                return f"{case.name}: {problem}"
        return ""

    found = [Law(name, functools.partial(of_all, check)) for name, check in _generic(spec)]
    found += [Law(name, functools.partial(check, spec)) for name, check in _once(spec)]
    return [*found, *spec.laws]


def check(spec: LayerSpec, law: Law) -> Held:
    """Whether a law holds; an exception is a problem."""
    try:
        problem = law.broken()
    except Exception as error:
        problem = f"raised {type(error).__name__}: {error}"
    return Held(spec.name, law.name, problem)


def check_named(layer: str) -> list[Held]:
    """All laws of a layer, found by its name: what a worker process is asked."""
    from parity.layers import all_specs

    processor.prepare()
    spec = all_specs()[layer]
    return [check(spec, law) for law in laws(spec)]
