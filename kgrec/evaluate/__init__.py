"""How good the recommendations are: splits without leaks, metrics, intervals, ablations.

Rankings are always over all items that the user has not seen. Metrics over a sample of items are not offered: they rank
systems differently from the metrics they stand for (Krichene and Rendle, *On Sampled Metrics for Item Recommendation*,
KDD 2020).
"""
