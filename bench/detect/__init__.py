"""Parts of bench/prove_detectors.py: the marked nets, what detectors say of them, the picture."""
