#!/bin/sh
# Zips what a handout wants submitted, to be uploaded to GradeScope: assignment4.zip (handout 000, with RoPE) or
# assignment5.zip (handout 001, with the synthesizer). collect_submission.bat does the same on Windows.

files="london_baseline.py
vanilla.model.params vanilla.nopretrain.dev.predictions vanilla.nopretrain.test.predictions
vanilla.finetune.params vanilla.pretrain.dev.predictions vanilla.pretrain.test.predictions"
case "$#:$1" in
1:4) files="$files london_baseline_accuracy.txt
rope.finetune.params rope.pretrain.dev.predictions rope.pretrain.test.predictions" ;;
1:5) files="$files
synthesizer.finetune.params synthesizer.pretrain.dev.predictions synthesizer.pretrain.test.predictions" ;;
*)
    echo "usage: collect_submission.sh 4|5" >&2
    exit 2
    ;;
esac

CDPATH="" cd -- "$(dirname -- "$0")" || exit 2

code=$(find src -type f \( -name "*.py" -o -name "*.j2" \) 2>/dev/null | LC_ALL=C sort)
missing=""
for file in ${code:-src/*.py} $files; do # without any code, the first is missing
    [ -f "$file" ] || missing="$missing $file"
done
if [ -n "$missing" ]; then
    echo "collect_submission.sh: nothing was written, these files are missing in $PWD:" >&2
    printf "  %s\n" $missing >&2
    exit 2
fi

python=$(command -v python3 || command -v python) || {
    echo "collect_submission.sh: neither python3 nor python was found" >&2
    exit 2
}
# Renamed when it is complete, so that there is never half a zip to upload.
zip="assignment$1.zip"
unfinished=".$zip.$$.tmp"
trap 'rm -f "$unfinished"' EXIT
"$python" -c "if True:
    import sys, zipfile
    with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as archive:
        for name in sys.argv[2:]:
            archive.write(name)
" "$unfinished" $code $files && mv -f "$unfinished" "$zip" || exit 1

echo "Written to $PWD/$zip:"
printf "  %s\n" $code $files
