"""What tools and users call: the extraction as a whole."""
