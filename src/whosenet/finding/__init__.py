"""Flow 1 in parts: walk folders, hash files, keep them in a library, search it, rank what comes back."""
