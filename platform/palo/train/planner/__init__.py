"""What a training would take, before it runs: steps, memory by part, disk, hours and money.

Estimates by arithmetic, each with its formula and its source; neither weights nor a GPU are needed.
Memory is checked against what small models really allocate, hours against the paper's.
"""
