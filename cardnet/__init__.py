"""cardnet: a simulated card payment network on your own machine. For tests only, never a real card."""

__version__ = "0.1.0"
