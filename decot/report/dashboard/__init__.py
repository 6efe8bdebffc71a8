"""A running session on one page, on loopback, behind a token."""
