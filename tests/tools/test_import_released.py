import importlib.util
import json
import pickle

import numpy as np
import pytest

from hpnet_plugin.store import FeatureStore

NAMES = ['S001C001P001R001A001', 'S001C001P001R001A050']


@pytest.fixture
def main(root):
    spec = importlib.util.spec_from_file_location(
        'import_released', root / 'tools/import_released.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def test_released_files_become_a_dataset(shared, main, tmp_path):
    (tmp_path / 'labels.txt').write_text(f'{NAMES[0]} 0\n{NAMES[1]} 49\n')
    (tmp_path / 'splits.json').write_text(
        json.dumps(dict(train=NAMES[:1], test=NAMES[1:])))
    out = tmp_path / 'data'
    assert main([
        str(shared / 'data/ntu'), '--out', str(out), '--labels',
        str(tmp_path / 'labels.txt'), '--splits',
        str(tmp_path / 'splits.json')]) == 0
    with open(out / 'annotations.pkl', 'rb') as file:
        annotations = pickle.load(file)
    assert annotations['split'] == dict(train=NAMES[:1], test=NAMES[1:])
    first, second = annotations['annotations']
    assert (first['label'], second['label']) == (0, 49)
    assert first['keypoint'].shape == (1, 64, 17, 2)
    assert second['keypoint'].shape == (2, 64, 17, 2)
    source = np.load(shared / f'data/ntu/{NAMES[1]}.npy')
    np.testing.assert_allclose(
        FeatureStore(out / 'features').read(NAMES[1]),
        source.transpose(1, 0, 2, 3), rtol=1e-3, atol=1e-3)


def test_wrong_files(main, tmp_path, capsys):
    assert main([str(tmp_path), '--out', str(tmp_path / 'out')]) == 2
    assert 'no .npy file' in capsys.readouterr().err
    np.save(tmp_path / 'flat.npy', np.zeros(5, np.float32))
    assert main([str(tmp_path), '--out', str(tmp_path / 'out')]) == 2
    assert 'flat.npy' in capsys.readouterr().err
