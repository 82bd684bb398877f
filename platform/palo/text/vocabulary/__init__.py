"""More pieces for a tokenizer that exists, for scripts that it splits into many tokens.

`runs` finds what of a text new pieces may be made of, `learning` which pieces save most,
`piece_model` and `json_model` write them into a tokenizer's file, and `extend` joins all of it.
"""
