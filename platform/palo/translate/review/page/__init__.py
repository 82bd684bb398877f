"""The review page: translations beside their sources, for several reviewers at once.

    from palo.translate.review.page.mount import mount_review
    mount_review(app, ReviewPage(folder=Path("runs/review")))

`texts/` holds what it says, a file for each language; `assets/` what it does in the browser.
"""
