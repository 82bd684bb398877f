"""A translator that learns from reviews: corrections become its training set, and measure its gain.

    review --examples--> training set with a held-out part --teach--> adapter
    held-out part, translated before and after --measure--> table, image, page

For a hosted model the training set is OpenAI's chat JSON lines; a local causal model is taught by
the platform's own training.
"""
