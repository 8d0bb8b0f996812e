"""The autograder: grades a submission of assignment 4 (RoPE) or 5 (synthesizer). docs/teaching.md says how to use it."""
