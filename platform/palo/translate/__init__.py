"""Translation of conversations, with quality checks and review by people.

`bulk` takes conversations through it all: `protected_spans` become placeholders, one of the
`backends` translates by the `prompts`, `normalizers` write each language as its readers do,
`checks` accept, refuse or send to `review`; `learning` teaches a translator with what reviewers
approved.
"""
