@echo off
rem Zips what a handout wants submitted: assignment4.zip (handout 000) or assignment5.zip (handout 001).
rem collect_submission.sh does the same on Linux and macOS.
setlocal enabledelayedexpansion
cd /d "%~dp0"

set files=london_baseline.py
set files=%files% vanilla.model.params vanilla.nopretrain.dev.predictions vanilla.nopretrain.test.predictions
set files=%files% vanilla.finetune.params vanilla.pretrain.dev.predictions vanilla.pretrain.test.predictions
if "%~1"=="4" (
    set files=%files% london_baseline_accuracy.txt
    set files=!files! rope.finetune.params rope.pretrain.dev.predictions rope.pretrain.test.predictions
) else if "%~1"=="5" (
    set files=%files% synthesizer.finetune.params synthesizer.pretrain.dev.predictions synthesizer.pretrain.test.predictions
) else (
    echo usage: collect_submission.bat 4^|5 1>&2
    exit /b 2
)

set missing=
for %%f in (%files%) do if not exist "%%f" set missing=!missing! %%f
if not exist src\run.py set missing=!missing! src\run.py
if defined missing (
    rem Exclamation marks, as with percent signs a closing bracket in the folder's name would end this block.
    echo collect_submission.bat: nothing was written, these files are missing in !cd!: 1>&2
    for %%f in (!missing!) do echo   %%f 1>&2
    exit /b 2
)

rem Renamed when it is complete, so that there is never half a zip to upload.
python -c "import glob, sys, zipfile; code = sorted(glob.glob('src/**/*.py', recursive=True) + glob.glob('src/**/*.j2', recursive=True)); z = zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED); [z.write(f) for f in code + sys.argv[2:]]; z.close()" assignment%~1.zip.tmp %files% || exit /b 1
move /y assignment%~1.zip.tmp assignment%~1.zip >nul || exit /b 1
echo Written to %cd%\assignment%~1.zip
