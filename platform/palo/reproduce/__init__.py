"""A recipe from translation to an answered question, in steps that are each done once.

Each step runs in a process of its own, and what became of it is kept in the run folder:

    reproduce/record.json    every step: its state, what it was made of, what it left
    reproduce/logs/STEP.log  what it said
    reproduce.html           a page of all of it
"""
