"""The payment network: steps 3 to 7."""
