"""Pixels in, joints and feature maps out."""
