"""Why some answers are more than a few units of rounding from the exact one; figures measured."""

TENSORFLOW_FFT = (
    "a unit counts what TensorFlow's FFT rounds in the mean of all results "
    "(parity/checks/transforms.py); some of its factors are off by more, and single results of "
    "noise by five times that mean"
)
BOTH_ROUND = (
    "a norm of five units is explained by either side's rounding; of two sides, each with units of "
    "its own, twice that"
)
MKL_DOUBLE_FFT = (
    "MKL's float64 FFT, which torch calls, is off by 300 to 500 eps of the norm at sizes with "
    "prime factors like 43, 67 or 89, by 5 at others"
)
MATRIX_FOURIER = (
    "in real arithmetic a Fourier transform is matrix products; a factor of 97 (or, of 4,096, two "
    "of 64), say, is 97 products added one after the other (parity blame: with mm in float64, 14.7 "
    "units become 2.4 in amplitude)"
)
ONE_BY_ONE_BACKWARD = (
    "the partial sums of a convolution's gradient may swing far beyond its result, which the unit "
    "does not count (parity blame: with the backward convolution in float64, 10.6 units become 1.7 "
    "in SincNetPlus)"
)
WEIGHT_GRADIENT = (
    "a kernel's gradient is a sum over all positions, added one after the other in float32; behind "
    "a batch normalisation its terms cancel, on a constant map wholly (parity blame: with the "
    "backward convolution in float64, 45 units become 2.0 in WaveGram, 16.7 become 1.5 in "
    "PANNConvBlock, 11.9 become 0.6 in ConvNet, 9.8 become 0.2 in AudioClassifier)"
)
FUSED_BATCH_NORMALISATION = (
    "TensorFlow's fused batch normalisation adds up means and variances in plain float32, one "
    "value after the other, and what follows magnifies it (parity blame --official: the port in "
    "float64 but for such sums is 4.7, 3.0 and 3.7 units off where the official ConvNet is 5.7, "
    "4.5 and 4.5; in the classifier's gradients, 4 of 10)"
)
CONSTANT_MAPS = (
    "of a constant map (silence, or all but a click) every partial sum of a mean is rounded the "
    "same way, and behind it a rectifier takes a map of rounding errors by their signs (parity "
    "blame --official: the port in float64 but for such sums is 10.8 and 9.5 units off where the "
    "official PANNWavBlock is 11.0 and 9.9, on a click; 38.5 units where the ConvNet of TensorFlow "
    "2.21 without oneDNN is 38.3, of 2.13 21.5)"
)
