"""Active protection: a served model asks who is there. A carrier shows an identity, a signature that he is present."""
