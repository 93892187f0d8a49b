"""The shop with cards on file: steps 1, 2 and 9."""
