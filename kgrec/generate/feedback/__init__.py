"""What readers made of generated texts: the texts and events on record, and what is learned from them."""
