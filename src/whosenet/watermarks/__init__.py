"""Watermarks: a key's patterns on images, and the classes they lead to. One file a method."""
