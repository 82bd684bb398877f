"""Evaluation: benchmarks, answers, measures, judges, statistics and reports.

`benches` read questions in the layouts that they are published in, `answers` come from a
checkpoint, a server or a file, `measures` need no judge, `judging` asks one, `statistics` make
scores with intervals of it, `model_comparison` compares a model with one that was made of it, and
`reports` write tables, charts and pages.
"""
