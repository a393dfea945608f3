"""Which way is taken: operations that a device lacks are called where it has them, else never.

Both ways give the same numbers on a CPU, so no answer shows which one it was.
"""

from __future__ import annotations

from collections.abc import Mapping

from leaf_port._ops.devices import Feature
from parity.checks.invariants.generic import once_each
from parity.port import feature_masking, runner
from parity.port.backends import CPU, Backend
from parity.port.operations_watch import OperationsWatch
from parity.port.seeded import seeded
from parity.spec import LayerSpec, Question

# Operations by the feature that they are; what has complex numbers, arithmetic.py watches.
_OPERATIONS: Mapping[Feature, frozenset[str]] = {
    "frames": frozenset({"unfold", "col2im"}),
    "average pooling": frozenset({"avg_pool2d"}),
    "activations": frozenset({"elu", "hardtanh"}),
    "layer normalisation": frozenset({"native_layer_norm"}),
}


def taken(spec: LayerSpec) -> str:
    """The first operation that is called where it lacks, or left out where it is there."""
    for case in once_each(spec):
        question = runner.ask(spec, case)
        with feature_masking.asked() as features:
            used = _calls(spec, question)
        lacking = _calls(spec, question, feature_masking.LACKING)
        for feature, operations in _OPERATIONS.items():
            if found := operations & lacking:
                return f"{case.name}: {sorted(found)} is called, where {feature} lacks"
            if feature in features and not operations & used:
                return f"{case.name}: {feature} is asked for and not used"
    return ""


def _calls(spec: LayerSpec, question: Question, backend: Backend = CPU) -> set[str]:
    """The operations of a call and its gradients."""
    watch = OperationsWatch()
    with seeded(0):
        runner.answer(spec, question, runner.Run(noise=lambda: watch, backend=backend))
    return set(watch.seen)
