"""What a bar is turned into: one pass, the same in batch and live."""
