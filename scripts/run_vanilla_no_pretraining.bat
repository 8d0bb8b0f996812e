@echo off
rem Part (d): finetuning without pretraining, and the predictions.
cd /d "%~dp0.."

python src/run.py finetune vanilla wiki.txt --writing_params_path vanilla.model.params ^
    --finetune_corpus_path birth_places_train.tsv || exit /b 1
python src/run.py evaluate vanilla wiki.txt --reading_params_path vanilla.model.params ^
    --eval_corpus_path birth_dev.tsv --outputs_path vanilla.nopretrain.dev.predictions || exit /b 1
python src/run.py evaluate vanilla wiki.txt --reading_params_path vanilla.model.params ^
    --eval_corpus_path birth_test_inputs.tsv --outputs_path vanilla.nopretrain.test.predictions || exit /b 1
