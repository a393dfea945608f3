"""Step 1: what a layer's declaration is made of.

A declaration reads ``from parity import spec`` and then ``spec.LayerSpec(...)``.
"""

from parity.spec.answer import Answer as Answer
from parity.spec.answer import Array as Array
from parity.spec.answer import Kept as Kept
from parity.spec.budget import ELSEWHERE as ELSEWHERE
from parity.spec.budget import EXPLAINED_BY_ROUNDING as EXPLAINED_BY_ROUNDING
from parity.spec.budget import Bound as Bound
from parity.spec.budget import Budget as Budget
from parity.spec.case import Case as Case
from parity.spec.case import Config as Config
from parity.spec.case import grid as grid
from parity.spec.case import product as product
from parity.spec.error_case import ErrorCase as ErrorCase
from parity.spec.invariant import Law as Law
from parity.spec.layer_spec import Exceptions as Exceptions
from parity.spec.layer_spec import LayerSpec as LayerSpec
from parity.spec.layer_spec import Sampling as Sampling
from parity.spec.layer_spec import no_inputs as no_inputs
from parity.spec.question import Given as Given
from parity.spec.question import Question as Question
from parity.spec.question import digest as digest
from parity.spec.question import exactly as exactly
from parity.spec.random_arrays import Source as Source
from parity.spec.reference_call import Ref as Ref
from parity.spec.signals import SIGNALS as SIGNALS
from parity.spec.signals import with_signal as with_signal
from parity.spec.signature import Own as Own
from parity.spec.signature import Signature as Signature
from parity.spec.weight import Weight as Weight
from parity.spec.without_derivative import Without as Without
