from .prompts import VideoPrompts
from .text import CLIPText
from .vision import XCLIPVision

__all__ = ['CLIPText', 'VideoPrompts', 'XCLIPVision']
