@echo off
rem Assignment 4, part (g): pretraining, finetuning, and the predictions, of rope.
cd /d "%~dp0.."

python src/run.py pretrain rope wiki.txt --writing_params_path rope.pretrain.params || exit /b 1
python src/run.py finetune rope wiki.txt --reading_params_path rope.pretrain.params ^
    --writing_params_path rope.finetune.params --finetune_corpus_path birth_places_train.tsv || exit /b 1
python src/run.py evaluate rope wiki.txt --reading_params_path rope.finetune.params ^
    --eval_corpus_path birth_dev.tsv --outputs_path rope.pretrain.dev.predictions || exit /b 1
python src/run.py evaluate rope wiki.txt --reading_params_path rope.finetune.params ^
    --eval_corpus_path birth_test_inputs.tsv --outputs_path rope.pretrain.test.predictions || exit /b 1
