"""When and where the flows run. Knows nothing of what they do."""
