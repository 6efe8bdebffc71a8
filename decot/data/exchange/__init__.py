"""The loopback venue: a recorded tape behind a Binance-compatible REST and WebSocket door. Hands no names on."""
