"""The cardholder's bank: steps 5 and 6."""
