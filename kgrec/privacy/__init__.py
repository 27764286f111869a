"""A person's data: where it is, handing it over, forgetting, what lists give away, training with noise."""
