"""Hidden units of a network: as what they can be re-ordered and rescaled without changing what the network does."""
