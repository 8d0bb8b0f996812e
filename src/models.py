"""model.py, by the name that the course's starter code has given it since 2024."""

from model import GPT, Block, GPTConfig

__all__ = ["GPT", "Block", "GPTConfig"]
