"""What a teacher may want to change: the points of each check, thresholds, hyperparameters, and what differs between the
course's editions."""

from __future__ import annotations

from dataclasses import dataclass

# Points of each check (checks.py and the modules that it imports say what each one looks at). A part is worth the sum. The
# handouts publish (d) 5 (handout 5; 4 in handout 4), (e) 10, (f) 10, and 8 for the code of (g), where the rest is written.
POINTS: dict[str, dict[str, float]] = {
    "d": {
        "the_modules_can_be_imported": 0.25,
        "it_runs_without_a_gpu": 0.5,
        "finetuning_without_pretraining_starts": 0.5,
        "questions_and_answers_are_laid_out_as_given": 0.5,
        "finetuning_without_pretraining_is_configured_as_published": 0.5,
        "always_london_is_computed": 0.5,
        "without_pretraining_the_parameters_are_a_vanilla_model": 0.5,
        "without_pretraining_there_is_one_prediction_a_question": 0.5,
        "without_pretraining_the_predictions_are_those_of_the_parameters": 0.5,
        "without_pretraining_the_own_code_gives_the_predictions": 0.5,
        "without_pretraining_at_least_one_is_right": 0.25,
    },
    "e": {
        "span_corruption_gives_pairs_of_long_tensors": 1,
        "vocabulary_is_pad_mask_and_the_sorted_characters": 1,
        "y_is_x_one_character_later": 1,
        "padding_is_only_at_the_end": 1,
        "two_masks_make_three_parts": 1,
        "prefix_suffix_and_masked_content_are_in_this_order": 1,
        "documents_are_truncated_to_between_4_and_the_limit": 1,
        "truncated_length_varies": 1,
        "masked_content_is_a_quarter_on_average": 1,
        "masked_length_varies": 1,
    },
    "f": {
        "pretraining_is_configured_as_published": 0.5,
        "finetuning_after_pretraining_is_configured_as_published": 0.5,
        "finetuning_begins_with_the_pretrained_parameters": 0.5,
        "vanilla_looks_at_the_past_only": 0.5,
        "vanilla_takes_a_whole_block": 0.5,
        "padding_does_not_count_in_the_loss": 0.5,
        "workers_that_are_spawned_do_not_train": 0.5,
        "the_finetuned_parameters_are_a_vanilla_model": 0.5,
        "finetuned_there_is_one_prediction_a_question": 0.5,
        "the_finetuned_parameters_are_parameters_of_their_own": 0.5,
        "the_finetuned_predictions_are_those_of_the_parameters": 1,
        "finetuned_the_own_code_gives_the_predictions": 1,
        "finetuned_enough_of_dev_is_right": 2,
        "finetuned_enough_of_test_is_right": 1,
    },
    "g4": {
        "attention_can_be_imported": 0.25,
        "rope_table_has_cos_and_sin_of_each_position": 0.25,
        "rope_keeps_the_norm": 0.25,
        "rope_leaves_position_0_as_it_is": 0.5,
        "rope_angles_are_those_of_the_handout": 0.5,
        "rope_rotates_neighbouring_pairs": 0.5,
        "rope_takes_sequences_shorter_than_its_table": 0.5,
        "rope_is_what_run_py_builds": 0.5,
        "rope_scores_depend_on_the_distance_only": 0.5,
        "rope_looks_at_the_past_only": 0.25,
        "rope_takes_a_whole_block": 0.25,
        "no_block_is_left_empty": 0.25,
        "the_rope_parameters_are_a_rope_model": 0.75,
        "rope_gives_one_prediction_a_question": 0.25,
        "the_rope_predictions_are_those_of_the_parameters": 0.5,
        "rope_the_own_code_gives_the_predictions": 0.5,
        "rope_enough_of_test_is_right": 1.5,
    },
    "g5": {
        "attention_can_be_imported": 0.25,
        "synthesizer_computes_equation_5": 1.5,
        "synthesizer_is_what_run_py_builds": 0.5,
        "synthesizer_looks_at_the_past_only": 0.5,
        "synthesizer_takes_a_whole_block": 0.5,
        "no_block_is_left_empty": 0.25,
        "the_synthesizer_parameters_are_a_synthesizer": 0.75,
        "synthesizer_gives_one_prediction_a_question": 0.25,
        "the_synthesizer_predictions_are_those_of_the_parameters": 0.5,
        "synthesizer_the_own_code_gives_the_predictions": 0.5,
        "synthesizer_enough_of_dev_is_right": 1,
        "synthesizer_enough_of_test_is_right": 1.5,
    },
}


@dataclass(frozen=True)
class Edition:
    """One edition of the course."""

    truncation: tuple[int, int] = (7, 8)  # the most of a block that a truncated document takes
    n_layer: int = 4
    n_head: int = 8
    n_embd: int = 256
    block_size: int = 128
    # Right answers that are needed, as a share. Handout 4's dev threshold of vanilla is 15 %, handout 5's 10 %; of the test
    # set both expect "a similar accuracy".
    thresholds4: tuple[tuple[str, float], ...] = (("vanilla dev", 0.15), ("vanilla test", 0.09), ("rope test", 0.30))
    thresholds5: tuple[tuple[str, float], ...] = (("vanilla dev", 0.10), ("vanilla test", 0.09), ("synthesizer dev", 0.05),
                                                  ("synthesizer test", 0.05))  # fmt: skip

    def threshold(self, handout: int, what: str) -> float:
        """The share of right answers needed by "vanilla dev" and so on."""
        return dict(self.thresholds4 if handout == 4 else self.thresholds5)[what]

    @property
    def limit(self) -> tuple[str, int, int]:
        """The fraction of a block as text, numerator, denominator."""
        return (f"{self.truncation[0]}/{self.truncation[1]}", *self.truncation)


# In autumn 2024, the limit of a truncated document changed.
EDITIONS = {"7/8": Edition(), "3/4": Edition(truncation=(3, 4))}

AGREEMENT = 0.9  # share of the predictions that must come out again; a GPU rounds differently, and ties are rare
SAMPLE = 24  # questions of dev, and of test, that the student's own code answers again
OWN_SECONDS = 300.0  # that it may take for them
RECIPE_FLAGS = ("--recipe", "handout")  # for run.py with such a flag (this repository's): its default is another recipe

# Values that the training configuration may have; N is the number of documents, W the path of --writing_params_path. The
# warm-up is published in tokens; this repository counts as many sequences of 128 tokens (docs/course.md). The horizon of
# pretraining was 200 epochs before 2024.
COMMON = {"betas": ([0.9, 0.95],), "grad_norm_clip": (1.0,), "weight_decay": (0.1,), "lr_decay": (True,),
          "num_workers": (4, 0), "ckpt_path": (None, "W")}  # fmt: skip
WARMUP = 512 * 20
CONFIGURATION: dict[str, dict[str, tuple]] = {
    "scratch": COMMON | {"max_epochs": (75,), "batch_size": (256,), "learning_rate": (6e-4,), "warmup_tokens": (WARMUP,),
                         "final_tokens": ("200*N*128",)},
    "finetune": COMMON | {"max_epochs": (10,), "batch_size": (256,), "learning_rate": (6e-4,), "warmup_tokens": (WARMUP,),
                          "final_tokens": ("200*N*128",)},
    "pretrain": COMMON | {"max_epochs": (650,), "batch_size": (128,), "learning_rate": (6e-3,),
                          "warmup_tokens": (WARMUP, WARMUP * 128), "final_tokens": ("650*N*128", "200*N*128")},
}  # fmt: skip
