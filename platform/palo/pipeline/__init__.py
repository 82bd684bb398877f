"""The steps that carry out a recipe: corpora, stages, scores; each is done once.

`job` reads a command line, `steps` builds and trains, `scoring` scores a run on its own held-out
data and `bench_scoring` any models on a benchmark.
"""
