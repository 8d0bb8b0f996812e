@echo off
rem collect_submission.py says what this does. collect_submission.sh does the same on Linux and macOS.
python "%~dp0collect_submission.py" %*
