"""What a long run needs around its training loop: files, devices, optimizers, processes, checkpoints, TensorBoard."""
