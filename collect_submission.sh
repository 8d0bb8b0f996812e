#!/bin/sh
# collect_submission.py says what this does. collect_submission.bat does the same on Windows.
python=$(command -v python3 || command -v python) || {
    echo "collect_submission.sh: neither python3 nor python was found" >&2
    exit 2
}
exec "$python" "$(dirname -- "$0")/collect_submission.py" "$@"
