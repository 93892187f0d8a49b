"""The console: pages on which a network's authorisations are looked at, and on which it may be disturbed."""
