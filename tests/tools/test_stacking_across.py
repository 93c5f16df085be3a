"""tools/stacking_across.py: each group by a layer that the others taught."""
import runpy

import numpy as np

from hpnet_plugin.evaluation.scores import Scores, write_scores


def test_each_group_is_left_out(root, tmp_path, capsys):
    """Of a class of one subject, nothing is learnt or reported."""
    tool = runpy.run_path(str(root / 'tools/stacking_across.py'))
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(4), 20)
    labels = np.tile(np.arange(4), 20)
    labels[20:][labels[20:] == 3] = 0  # class 3 is of subject 0 alone
    scores = 3 * np.eye(4)[labels] + rng.normal(size=(80, 4))
    path = tmp_path / 'a.pkl'
    write_scores(path, Scores([f'c{i}_s{s}' for i, s in enumerate(subjects)],
                              scores, labels, ''))
    assert tool['main']([str(path), '--groups', r's\d$']) == 0
    out = capsys.readouterr().out
    assert '75 clips, 3 classes' in out
    assert out.count('others: ') == 4
    rows = [line.split() for line in out.split('gain of')[0].splitlines()]
    top1 = {row[0]: float(row[-5]) for row in rows
            if row and row[0] in ('fixed', 'learnt')}
    assert top1['fixed'] > 85 and top1['learnt'] > 80
