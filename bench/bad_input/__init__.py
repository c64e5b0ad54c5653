"""A small world of nets, an endpoint that misbehaves, and the cases that are put to `probe`, `judge` and the rest."""
