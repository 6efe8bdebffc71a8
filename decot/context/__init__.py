"""What surrounds the market: regimes, text, outside tools."""
