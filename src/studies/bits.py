"""How many bits a model knows.

Of a fact with the true value a, the world's generator draws a with probability P(a); the model, asked for it, says a with
probability Q(a), that of all its characters and of the mark that ends the answer. The model knows of the fact

    max(0, log2 Q(a) - log2 P(a)) bits,

the information of the value (-log2 P) less the model's loss on it (-log2 Q), and not less than nothing. A world's bits are
the sum over its facts. Beside the facts themselves nothing is counted, neither names nor words. (Allen-Zhu and Li 2024,
Physics of Language Models 3.3, count the names too, and bound the sum of both from below.)

The sum is not free of chance: a model that knows nothing, but is sometimes above P and sometimes below, has positive bits.
So what it has of people it has never read about is reported beside it, and the sum without the bound 0 (`net`).
"""

from __future__ import annotations

import math

import numpy as np


def known_bits(information: np.ndarray, log_probability: np.ndarray) -> np.ndarray:
    """The bits that a model knows of each of N facts, from the information of the true values (N,), in bits, and the model's
    log-probabilities of them (N,), natural. Where the information is not known (nan), 0."""
    return np.nan_to_num(np.maximum(0.0, net_bits(information, log_probability)), nan=0.0)


def net_bits(information: np.ndarray, log_probability: np.ndarray) -> np.ndarray:
    """`known_bits` without the bound: negative where the model is surprised more than the world is. nan stays nan."""
    return information + log_probability / math.log(2)
