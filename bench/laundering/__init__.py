"""Laundered copies and those who look for them: the parts of bench/launder.py."""
