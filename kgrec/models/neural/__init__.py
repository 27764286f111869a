"""Scorers whose networks are trained by gradient descent in torch and asked in numpy."""
