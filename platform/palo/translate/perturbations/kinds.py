"""Every kind of fault by its name."""

from collections.abc import Mapping

from palo.translate.perturbations import in_form, in_words, of_translators
from palo.translate.perturbations import in_spans as in_locks
from palo.translate.perturbations.sample import Seed

KINDS: Mapping[str, Seed] = {
    seed.__name__: seed
    for seed in (
        in_locks.dropped_lock,
        in_locks.changed_lock,
        in_locks.stray_mark,
        in_locks.dropped_number,
        in_locks.changed_number,
        in_locks.added_number,
        in_words.other_language,
        in_words.source_language,
        in_words.other_script,
        in_words.remainder,
        in_words.name_in_two_scripts,
        in_form.broken_off,
        in_form.missing_sentence,
        in_form.added_sentence,
        in_form.repeated_clause,
        in_form.missing_turn,
        in_form.merged_turns,
        in_form.empty_turn,
        in_form.split_lines,
        in_form.open_bracket,
        in_form.lost_question,
        in_form.latin_marks,
        of_translators.chatter,
        of_translators.refusal,
        of_translators.wrapped,
    )
}
"""Functions that put a fault of a kind into a right translation."""
