"""Review of translations by people: what they should see first, what they decided, files for both.

    folder/items.jsonl      translations to review, each line one of `palo.translate.translated`
    folder/verdicts.jsonl   what reviewers decided, in the order in which they did

Both files are only ever appended to, under a lock, and every line is on the disk before anybody is
told that it is saved. Several processes on machines that share the folder may do so at once.
"""
