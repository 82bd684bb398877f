from palo.evaluate.reports.pages import _measured_first
from palo.evaluate.reports.tables import Table


def test_what_was_measured_is_what_a_telephone_shows_first():
    rows = {"ours": ("", "1.0", "", "2.0"), "LLaVA (paper)": ("1", "2", "3", "4")}
    table = Table(title="t", columns=("en", "zh", "fr", "average"), rows=rows)
    assert _measured_first(table) == [1, 3, 0, 2]
    assert _measured_first(Table(title="t", columns=("en",), rows={})) == [0]
