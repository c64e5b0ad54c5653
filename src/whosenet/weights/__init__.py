"""Readers of weight files: path in, lazy tensors out."""

from whosenet.weights.base import Tensor, Weights
from whosenet.weights.open import is_weight_file, open_weights

__all__ = ["Tensor", "Weights", "is_weight_file", "open_weights"]
