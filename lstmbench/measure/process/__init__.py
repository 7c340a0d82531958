"""Worker processes: how they are started, prepared, watched, limited and ended."""
