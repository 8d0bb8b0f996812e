@echo off
rem Assignment 5, part (g): pretraining, finetuning, and the predictions, of the synthesizer.
cd /d "%~dp0.."

python src/run.py pretrain synthesizer wiki.txt --writing_params_path synthesizer.pretrain.params || exit /b 1
python src/run.py finetune synthesizer wiki.txt --reading_params_path synthesizer.pretrain.params ^
    --writing_params_path synthesizer.finetune.params --finetune_corpus_path birth_places_train.tsv || exit /b 1
python src/run.py evaluate synthesizer wiki.txt --reading_params_path synthesizer.finetune.params ^
    --eval_corpus_path birth_dev.tsv --outputs_path synthesizer.pretrain.dev.predictions || exit /b 1
python src/run.py evaluate synthesizer wiki.txt --reading_params_path synthesizer.finetune.params ^
    --eval_corpus_path birth_test_inputs.tsv --outputs_path synthesizer.pretrain.test.predictions || exit /b 1
