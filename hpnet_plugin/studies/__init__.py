"""Studies: methods compared on a small dataset, fold by fold."""
