"""Scorers into one list: training, fusion, top-k, re-ranking."""
