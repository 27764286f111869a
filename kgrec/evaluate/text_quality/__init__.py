"""How good generated texts are: written for some users by each variant, then measured."""
