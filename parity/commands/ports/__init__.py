"""Imported models against the ports they come from.

``weight_conversion import`` takes models of leaf-pytorch and SpeechBrain, whose pooling is not the
official one. Here the referee is that port itself: a declaration as of a layer (``spec``), whose
reference is the port's own code (``foreign``) or what it answered (``parity/recordings/ports``).
"""
