"""What an authorisation costs, measured side by side: `python -m bench`. See bench/README.md."""
