"""A wallet: a payment handler that pays with its users' cards at any shop that takes tokenized cards."""
