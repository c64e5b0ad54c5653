"""Universal deep hiding: a secret alone becomes a faint pattern, and another network reads it from any image."""
