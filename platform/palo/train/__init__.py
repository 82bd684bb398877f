"""Training: one loop for both stages, under Ray Train and DeepSpeed or in one plain process."""
