"""The gaps are filled before a test file here imports what has them."""
import hpnet_plugin  # noqa: F401
