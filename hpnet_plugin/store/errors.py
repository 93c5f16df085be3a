"""What can be wrong with a store."""


class StoreError(ValueError):
    """A store, or what should go into it, is not as it must be."""
