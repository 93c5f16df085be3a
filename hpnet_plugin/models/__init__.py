from .backbones import CTRGCN

__all__ = ['CTRGCN']
