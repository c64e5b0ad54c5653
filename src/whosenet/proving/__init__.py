"""Flow 3: mark a model, ask a suspect for the mark, read whose it is, name the licensee whose copy leaked."""
