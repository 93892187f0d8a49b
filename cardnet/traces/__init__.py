"""What became of authorisations: spans come in, are kept, and are read as traces of nine steps."""
