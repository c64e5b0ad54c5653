"""Marked and unmarked nets, and what thieves made of them; stored once, never trained again."""
