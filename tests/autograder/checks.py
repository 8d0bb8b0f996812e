"""All checks, in grading.CHECKS."""

from autograder import checks_code, checks_files, checks_spans, checks_variants
from autograder.edition import POINTS
from autograder.grading import CHECKS

MODULES = (checks_code, checks_files, checks_spans, checks_variants)
assert {name for points in POINTS.values() for name in points} == {*CHECKS}
