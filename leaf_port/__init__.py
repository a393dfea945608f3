"""LEAF, the learnable audio frontend, in PyTorch: what google-research/leaf-audio computes.

Frontends take ``(batch, samples)`` and give ``(batch, frames, filters)``.
"""

__version__ = "0.1.0"

from leaf_port.channels_first import ChannelsFirst as ChannelsFirst
from leaf_port.constraints import apply_constraints as apply_constraints
from leaf_port.constraints import constrain_after_step as constrain_after_step
from leaf_port.convolution import Conv1d as Conv1d
from leaf_port.convolution import FFTConv1d as FFTConv1d
from leaf_port.convolution import GaborConv1d as GaborConv1d
from leaf_port.convolution import NormalizedConv1d as NormalizedConv1d
from leaf_port.convolution import SincConv1d as SincConv1d
from leaf_port.convolution import fft_conv1d as fft_conv1d
from leaf_port.convolution import overlap_add_conv1d as overlap_add_conv1d
from leaf_port.encoders import EfficientNetB0 as EfficientNetB0
from leaf_port.errors import FilterWarning as FilterWarning
from leaf_port.errors import LeafError as LeafError
from leaf_port.errors import SampleRateWarning as SampleRateWarning
from leaf_port.frontend import Leaf as Leaf
from leaf_port.frontend import MelFilterbanks as MelFilterbanks
from leaf_port.frontend import SincNet as SincNet
from leaf_port.frontend import SincNetPlus as SincNetPlus
from leaf_port.frontend import SquaredModulus as SquaredModulus
from leaf_port.frontend import TimeDomainFilterbanks as TimeDomainFilterbanks
from leaf_port.initializers import Constant as Constant
from leaf_port.initializers import GaborInit as GaborInit
from leaf_port.initializers import LowpassInit as LowpassInit
from leaf_port.initializers import PreempInit as PreempInit
from leaf_port.initializers import SincInit as SincInit
from leaf_port.models import PANN as PANN
from leaf_port.models import AudioClassifier as AudioClassifier
from leaf_port.models import ConvBlock as ConvBlock
from leaf_port.models import ConvNet as ConvNet
from leaf_port.models import PANNConvBlock as PANNConvBlock
from leaf_port.models import PANNWavBlock as PANNWavBlock
from leaf_port.models import WaveGram as WaveGram
from leaf_port.pooling import ChannelWiseLearnablePooling1d as ChannelWiseLearnablePooling1d
from leaf_port.pooling import GaussianLowpass as GaussianLowpass
from leaf_port.pooling import LearnablePooling1d as LearnablePooling1d
from leaf_port.pooling import MaxPooling1d as MaxPooling1d
from leaf_port.postprocessing import PCEN as PCEN
from leaf_port.postprocessing import ExponentialMovingAverage as ExponentialMovingAverage
from leaf_port.postprocessing import SpecAugment as SpecAugment
from leaf_port.postprocessing import log_compression as log_compression
from leaf_port.regularizers import L1L2 as L1L2
from leaf_port.regularizers import regularization_loss as regularization_loss
from leaf_port.scales import ScaleInit as ScaleInit
from leaf_port.stable_pcen import StablePCEN as StablePCEN
from leaf_port.utils import WindowType as WindowType
from leaf_port.utils import hz2mel as hz2mel
from leaf_port.utils import mel2hz as mel2hz
from leaf_port.utils import window as window
