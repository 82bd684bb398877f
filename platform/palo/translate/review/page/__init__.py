"""The review page: translations beside their sources, for several reviewers at once.

    from palo.translate.review.page.mount import mount_review
    mount_review(app, ReviewPage(folder=Path("runs/review")))

`texts/` holds its texts, a file for each language; `assets/` its behaviour in the browser.
"""
