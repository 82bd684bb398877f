"""Training: one loop for both stages, under Ray Train and DeepSpeed or in one plain process.

`launch` starts a stage on workers and again where one is lost, `worker` is the stage on one of
them, `loop` its steps. The loop knows an engine by its interface alone: ZeRO, or a plain one that
tests compare it with.
"""
