"""How good generated texts are: whom and what they are written about, by which variants, and what is measured."""
