"""Tables as text."""
from hpnet_plugin.evaluation.tables import format_table


def test_alignment_and_empty_columns():
    assert format_table([
        ['stream', 'top-1', '', 'seeds', ''],
        ['hp_j', '9.50', '', '', '*'],
        ['pose', '70.3', '', '', ''],
    ]).splitlines() == [
        'stream      top-1  seeds',
        '--------  -------  -------  --',
        'hp_j         9.50           *',
        'pose         70.3',
    ]
