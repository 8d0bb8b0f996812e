@echo off
rem Part (f): pretraining, finetuning, and the predictions, of vanilla.
cd /d "%~dp0.."

python src/run.py pretrain vanilla wiki.txt --writing_params_path vanilla.pretrain.params || exit /b 1
python src/run.py finetune vanilla wiki.txt --reading_params_path vanilla.pretrain.params ^
    --writing_params_path vanilla.finetune.params --finetune_corpus_path birth_places_train.tsv || exit /b 1
python src/run.py evaluate vanilla wiki.txt --reading_params_path vanilla.finetune.params ^
    --eval_corpus_path birth_dev.tsv --outputs_path vanilla.pretrain.dev.predictions || exit /b 1
python src/run.py evaluate vanilla wiki.txt --reading_params_path vanilla.finetune.params ^
    --eval_corpus_path birth_test_inputs.tsv --outputs_path vanilla.pretrain.test.predictions || exit /b 1
