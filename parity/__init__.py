"""The proof: what the port computes, checked against the official TensorFlow implementation."""
