"""Re-rankers: the best items of each user in another order, one re-ranker a file, all users of a block at once."""
