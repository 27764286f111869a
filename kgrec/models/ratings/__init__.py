"""Predictors of explicit ratings: what somebody would give an item, not only what he would like.

Scorers (:mod:`kgrec.models`) rank; these foretell a value on the data's own scale and are measured by RMSE and MAE. Low
ratings teach them as much as high ones.
"""
