"""The five institutions of the network, one folder each, all on one floor plan."""
