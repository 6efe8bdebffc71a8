"""Time, failure, memory: each task opens by name, calls the core once, puts away. Knows no trading."""
