"""Studies of what a model knows: many short training runs that differ in one thing, and what is measured in each."""
