#!/bin/sh
# Assignment 5, part (g): pretraining, finetuning, and the predictions, of the synthesizer.
set -e
CDPATH="" cd -- "$(dirname -- "$0")/.."

python src/run.py pretrain synthesizer wiki.txt --writing_params_path synthesizer.pretrain.params
python src/run.py finetune synthesizer wiki.txt --reading_params_path synthesizer.pretrain.params \
    --writing_params_path synthesizer.finetune.params --finetune_corpus_path birth_places_train.tsv
python src/run.py evaluate synthesizer wiki.txt --reading_params_path synthesizer.finetune.params \
    --eval_corpus_path birth_dev.tsv --outputs_path synthesizer.pretrain.dev.predictions
python src/run.py evaluate synthesizer wiki.txt --reading_params_path synthesizer.finetune.params \
    --eval_corpus_path birth_test_inputs.tsv --outputs_path synthesizer.pretrain.test.predictions
