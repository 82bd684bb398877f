"""Review of translations by people: on a page, or in files without a network.

    folder/items.jsonl       translations to review, each line one of `palo.translate.translated`
    folder/decisions.jsonl   the decisions of reviewers, in their order

Both files are only ever appended to, under a lock, and every line is on the disk before it is
reported as saved. Several processes on machines that share the folder may append at once.
"""
