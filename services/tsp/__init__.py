"""The token service provider: it alone knows which card a token stands for. Step 4."""
