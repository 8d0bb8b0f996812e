"""The autograder of assignment 4 (RoPE) and 5 (synthesizer). docs/teaching.md says how it is used.

    pytest tests/autograder --submission assignment4.zip --data DIR --answers birth_test.tsv

plugin.py        the command line, the table, grade.json
archive.py       a zip or folder, from which nothing is run
edition.py       points, thresholds, hyperparameters: what a teacher may want to change
grading.py       which check needs which, what a fault costs
checks_*.py      the checks: what is right, and what to say of what is wrong
reference.py     the handouts' mathematics, and its usual misreadings
sandbox.py       runs probes: starts zygote.py, from which each probe is forked, locked in by jail.py
probes*.py       what runs beside the student's code
perfect.py, mutants.py      submissions that the grader is tested with
"""
