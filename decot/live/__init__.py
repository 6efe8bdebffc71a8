"""How a certified agent acts."""
