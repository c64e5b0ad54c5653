"""The worlds in which TEST's p-values are tried, and the rates found there."""
