"""How data comes in and where it is kept."""
