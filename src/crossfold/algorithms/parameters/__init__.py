"""What each algorithm family accepts, as tables that are read before any data.

Tables for XGBoost and LightGBM are static; scikit-learn's are derived from the one estimator that
is asked for.
"""
