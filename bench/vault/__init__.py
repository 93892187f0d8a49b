"""Measures the token service provider alone: what its calls cost, a rotation, and how it grows."""
