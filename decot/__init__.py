"""DECoT: small trading agents that say why they act. Importing this package loads nothing heavy."""

__version__ = "0.1.0"
