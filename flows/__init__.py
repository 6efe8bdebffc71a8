"""The story, in five words: ingest, enrich, train, promote, trade. Knows no arithmetic."""
