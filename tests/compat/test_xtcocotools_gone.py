"""xtcocotools by pycocotools, against closed forms."""
import json

# One person of a pixel area of 10000 and two joints; the detection is off by
# d at one of them. OKS = (1 + exp(-d^2 / (2 area (2 sigma)^2))) / 2.
PROGRAM = """
import contextlib, io, json, sys
import mmpose.evaluation
from xtcocotools.coco import COCO
from xtcocotools.cocoeval import COCOeval
from xtcocotools import mask
from hpnet_plugin.compat import xtcocotools_gone
assert xtcocotools_gone.needed() and xtcocotools_gone.filled()
assert mask.__name__ == 'pycocotools.mask'
assert mmpose.evaluation.CocoMetric
with contextlib.redirect_stdout(io.StringIO()):
    truth = COCO(sys.argv[1])
    found = truth.loadRes(sys.argv[2])
    scores = []
    for sigma in (.05, .2):
        run = COCOeval(truth, found, 'keypoints', [sigma] * 2, True)
        run.params.useSegm = None
        run.evaluate(), run.accumulate(), run.summarize()
        scores.append(round(float(run.stats[0]), 4))
print(json.dumps(scores))
COCOeval(truth, found, 'keypoints_wholebody')
"""


def test_keypoints_are_evaluated_with_sigmas(run_without, tmp_path):
    person = dict(id=1, image_id=1, category_id=1, area=10000., iscrowd=0,
                  bbox=[0, 0, 100, 100], num_keypoints=2,
                  keypoints=[10, 10, 2, 90, 90, 2])
    truth, found = tmp_path / 'truth.json', tmp_path / 'found.json'
    truth.write_text(json.dumps(dict(
        info={}, images=[dict(id=1, width=100, height=100)],
        categories=[dict(id=1, name='person', keypoints=['a', 'b'])],
        annotations=[person])))
    found.write_text(json.dumps([dict(
        image_id=1, category_id=1, score=1.,
        keypoints=[10, 10, 1, 60, 90, 1])]))
    done = run_without(('xtcocotools', ), PROGRAM, str(truth), str(found))
    # d = 30: OKS .506 passes one of ten thresholds; .877, eight
    assert json.loads(done.stdout) == [.1, .8], done.stderr
    assert "iouType='keypoints_wholebody'" in done.stderr
