"""Writing finished models in the formats of other programs.

`export` makes a folder that appears only when it is whole and its answers were compared with the
model's own. `llava`, `own_format` and `adapter` write the formats, `tokenizer_files` and
`chat_template` the prompts, `card` the README.
"""
