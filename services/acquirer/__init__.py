"""The merchant's bank: steps 3 and 8."""
