"""Keys of identities: what a mark is derived from, what is published beforehand, and the identity as bits. No torch."""
