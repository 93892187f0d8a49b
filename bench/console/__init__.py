"""Whether the console's list stays smooth while authorisations come."""
