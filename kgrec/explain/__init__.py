"""Why an item is in the list."""
