"""What is known of a model's answers: scores, metrics, calibration, baselines, probes, and reports of all these."""
