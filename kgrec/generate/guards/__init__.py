"""Guards: each rejects one kind of fault. All of them compare the text with the facts, none trusts the writer."""
