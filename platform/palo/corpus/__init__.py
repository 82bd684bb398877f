"""Building a corpus: from source files to samples, in steps that resume.

`build` lists the steps: `sources` are split and read, `parse` makes records of rows, images are
decoded and encoded once each, `filter` decides which records stay, `encode` makes samples of them.
Each step has a driver, which makes tasks, and a worker, which runs one of them on Ray Data. The
task log says which tasks are done; the manifest accounts for every row.

    build_corpus(CorpusConfig(sources=(source,), output=folder, ...))
"""
