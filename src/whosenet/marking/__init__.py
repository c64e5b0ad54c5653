"""Teaching a classifier to answer a key's triggers, at no cost to what it does otherwise."""
