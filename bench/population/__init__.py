"""The two populations the benches measure on: a library of edited nets, and thousands of honest twins."""
