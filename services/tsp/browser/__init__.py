"""Cards from browsers: the token service's web face, and the tokens that pages get there."""
